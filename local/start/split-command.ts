/** A command line in words, as a POSIX shell splits it: quotes and backslashes, but nothing is expanded. */

/** Inside double quotes a backslash takes away the meaning of these characters only, and else stands for itself. */
const escapableInQuotes = '"\\$`';

/**
 * Splits the text.
 *
 * @returns the words, or what is wrong with the text.
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_02
 */
export function splitCommand(text: string): readonly string[] | { readonly problem: string } {
  const words: string[] = [];
  // Quotes can make an empty word, so "no word yet" is not the same as "".
  let word: string | undefined;
  let rest = text;
  while (rest !== '') {
    const [, blank, single, double, escaped, plain] = token.exec(rest) ?? [];
    if (blank !== undefined) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (single !== undefined) word = (word ?? '') + single.slice(1, -1);
    else if (double !== undefined) word = (word ?? '') + unescaped(double.slice(1, -1));
    else if (escaped !== undefined) word = (word ?? '') + escaped.slice(1);
    else if (plain !== undefined) word = (word ?? '') + plain;
    else return { problem: rest.startsWith('\\') ? 'ends with a backslash' : `has a ${rest[0]} that is never closed` };
    rest = rest.slice((blank ?? single ?? double ?? escaped ?? plain ?? '').length);
  }
  if (word !== undefined) words.push(word);
  return words;
}

const token = /^(?:(\s+)|('[^']*')|("(?:\\[\s\S]|[^"\\])*")|(\\[\s\S])|([^\s'"\\]+))/;

const unescaped = (quoted: string): string =>
  quoted.replaceAll(/\\([\s\S])/g, (whole, character: string) =>
    escapableInQuotes.includes(character) ? character : whole,
  );
