// Draws the benchmarks' results: docs/bench/*.svg and *.png from docs/bench/*.json, and from nothing else.
//   node tools/draw-bench.ts [FOLDER]
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { initWasm, Resvg } from '@resvg/resvg-wasm';
import { parse, resetSVGDefIds, View } from 'vega';
import { compile } from 'vega-lite';
import { readResults } from '../bench/results.ts';
import { type Plot, plotsOf } from './bench-plots.ts';

const FONT = 'DejaVu Sans';
/** Twice the size of the SVG, for screens that show it sharply. */
const ZOOM = 2;

/** Draws one plot. @returns the text of the SVG. */
export async function drawSvg({ spec }: Plot): Promise<string> {
  // Otherwise ids in the text would depend on what was drawn before.
  resetSVGDefIds();
  const look = {
    background: 'white',
    font: FONT,
    view: { stroke: null },
    axis: { labelFontSize: 11, titleFontSize: 12, labelLimit: 240 },
  };
  const { spec: vega } = compile(spec, {
    config: { ...look, title: { fontSize: 14, anchor: 'start' }, legend: { labelLimit: 240 } },
  });
  const view = new View(parse(vega), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return `${svg}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = path.dirname(import.meta.dirname);
  const folder = process.argv[2] ?? path.join(root, 'docs', 'bench');
  await initWasm(readFileSync(fileURLToPath(import.meta.resolve('@resvg/resvg-wasm/index_bg.wasm'))));
  const fonts = path.dirname(fileURLToPath(import.meta.resolve('dejavu-fonts-ttf/package.json')));
  const fontBuffers = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((file) =>
    readFileSync(path.join(fonts, 'ttf', file)),
  );
  for (const plot of plotsOf(readResults(folder))) {
    const svg = await drawSvg(plot);
    writeFileSync(path.join(folder, `${plot.name}.svg`), svg);
    const drawn = new Resvg(svg, {
      font: { fontBuffers, defaultFontFamily: FONT, loadSystemFonts: false },
      fitTo: { mode: 'zoom', value: ZOOM },
    });
    writeFileSync(path.join(folder, `${plot.name}.png`), drawn.render().asPng());
    console.log(path.join(folder, plot.name));
  }
}
