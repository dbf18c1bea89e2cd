import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { failureTexts, isToldByUs, jobOutputOf, toldText } from '../../lib/domain/failure-text.ts';
import { anyReason, anyText } from '../support/arbitraries.ts';
import { step } from '../support/builders.ts';

const outputs = fc.oneof(
  fc.constant(null),
  anyText,
  anyText.map((text) => `data://text/plain;charset=utf-8,terrakube-dispatcher%3A%20${text}`),
);

describe('what a user reads, whatever the reason is', () => {
  test('fits where it is written, in characters', () => {
    fc.assert(
      fc.property(anyReason, anyText, (reason, name) => {
        const { stepName, stepOutput, logLines } = failureTexts(reason, step({ name }));
        expect(stepName.length).toBeLessThanOrEqual(128);
        expect(stepOutput.length).toBeLessThanOrEqual(1024);
        expect(jobOutputOf(logLines.join('\n')).length).toBeLessThanOrEqual(1024);
      }),
      { numRuns: 500 },
    );
  });

  test('is well-formed text', () => {
    fc.assert(
      fc.property(anyReason, anyText, (reason, name) => {
        const { stepName, stepOutput, logLines } = failureTexts(reason, step({ name }));
        const texts = [stepName, stepOutput, ...logLines, jobOutputOf(logLines.join('\n'))];
        expect(texts.filter((text) => !text.isWellFormed())).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test('is three lines of log, each without a newline or a control character', () => {
    fc.assert(
      fc.property(anyReason, (reason) => {
        const { logLines } = failureTexts(reason, step());
        expect(logLines).toHaveLength(3);
        for (const line of logLines) expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      }),
      { numRuns: 500 },
    );
  });

  test('is a URL in the output of the step, which decodes to the lines or to a beginning of them', () => {
    fc.assert(
      fc.property(anyReason, (reason) => {
        const { stepOutput, logLines } = failureTexts(reason, step());
        expect(stepOutput).toMatch(/^data:\/\/text\/plain;charset=utf-8,(?:[A-Za-z0-9\-_.!~*'()]|%[0-9A-F]{2})*$/);
        const told = toldText(step({ output: stepOutput })) ?? '';
        const whole = logLines.join('\n');
        expect(told === whole || (told.endsWith('…') && whole.startsWith(told.slice(0, -1)))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('is known again as ours, and its title is read in the name', () => {
    fc.assert(
      fc.property(anyReason, anyText, (reason, name) => {
        const { stepName, stepOutput, logLines } = failureTexts(reason, step({ name }));
        expect(isToldByUs(step({ output: stepOutput }))).toBe(true);
        expect(stepName.endsWith(`: ${(logLines[0] ?? '').replace('terrakube-dispatcher: ', '')}`)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('is the same when it is written a second time', () => {
    fc.assert(
      fc.property(anyReason, anyText, (reason, name) => {
        const first = failureTexts(reason, step({ name }));
        expect(failureTexts(reason, step({ name: first.stepName, output: first.stepOutput }))).toEqual(first);
      }),
      { numRuns: 500 },
    );
  });
});

describe('what others wrote', () => {
  test('is read without an error', () => {
    fc.assert(
      fc.property(outputs, (output) => {
        const told = toldText(step({ output }));
        expect(told === undefined || isToldByUs(step({ output }))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test.each([null, '', 'https://logs', 'data:text/plain,terrakube-dispatcher: x', 'data://text/plain;charset=utf-8,x'])(
    'is not ours: %j',
    (output) => {
      expect(isToldByUs(step({ output }))).toBe(false);
      expect(toldText(step({ output }))).toBeUndefined();
    },
  );
});
