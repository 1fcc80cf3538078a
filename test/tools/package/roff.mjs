// SPDX-License-Identifier: MIT
// Pieces of a manual page, for man(7).

const escapes = new Map([
  ['\\', '\\e'],
  ['’', '\\(cq'],
  ['‘', '\\(oq'],
  ['…', '...'],
  ['→', '\\(->'],
  ['–', '\\(en'],
  ['-', '\\-'],
]);
const escaped = (text) =>
  text
    .replaceAll(/[\\’‘…→–-]/g, (character) => escapes.get(character))
    .replaceAll(
      /[\u{80}-\u{10ffff}]/gu,
      (character) => `\\[u${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}]`,
    );

/** A line that begins with a point or a quote is no request. */
const guarded = (line) => (/^[.']/.test(line) ? `\\&${line}` : line);

/** Text for people: what stands in backticks is bold, also over the end of a line. */
export const text = (words) =>
  words
    .split('`')
    .map((piece, index) => (index % 2 === 0 ? escaped(piece) : `\\fB${escaped(piece)}\\fR`))
    .join('')
    .split('\n')
    .map(guarded)
    .join('\n');

/** What is typed as it is. */
export const bold = (words) => guarded(`\\fB${escaped(words)}\\fR`);

/** Flags and what takes their place: `<name>` in italics, the rest bold. */
export const usage = (words) =>
  guarded(
    words
      .split(/(<[^>]*>|\[[^\]]*\])/)
      .filter((piece) => piece !== '')
      .map((piece) => (/^[<[]/.test(piece) ? `\\fI${escaped(piece)}\\fR` : `\\fB${escaped(piece)}\\fR`))
      .join(''),
  );

export const section = (title, ...body) => `.SH ${title.toUpperCase()}\n${body.join('\n')}`;
export const subsection = (title, ...body) => `.SS ${title}\n${body.join('\n')}`;
/** A term, already marked, and what it means. */
export const item = (term, meaning) => `.TP\n${term}\n${meaning}`;

/** A line of a page is not folded where it has to stay as it is; a command may go on in the next one. */
const MOST = 72;
const folded = (line) => {
  const pieces = [''];
  for (const word of line.split(/(?= )/)) {
    const last = pieces.length - 1;
    if (pieces[last] !== '' && pieces[last].length + word.length > MOST) pieces.push(`  ${word.trimStart()}`);
    else pieces[last] += word;
  }
  return pieces.join(' \\\n');
};

/** Lines as they are. */
const example = (lines) => `.PP\n.nf\n${lines.map((line) => guarded(escaped(line))).join('\n')}\n.fi`;

/** `term   what it means`, which may go on below. */
const TERM = /^(\S.*?) {2,}(\S.*)$/;
/** As {@link TERM}, or lines to type where no line says what it means. */
const terms = (lines) => {
  const items = [];
  for (const line of lines) {
    const [, term = line.trim(), meaning] = TERM.exec(line) ?? [];
    const last = items.at(-1);
    if (line.startsWith('      ') && last !== undefined) last.meanings.push(line.trim());
    else items.push({ term, meanings: meaning === undefined ? [] : [meaning] });
  }
  if (items.every(({ meanings }) => meanings.length === 0))
    return example(lines.flatMap((line) => folded(line).split('\n')));
  return items.map(({ term, meanings }) => item(bold(term), text(meanings.join('\n')))).join('\n');
};

/** Paragraphs as they stand in a help text: lines that are indented are commands. */
export const paragraphs = (words) =>
  words
    .replace(/^\n+|\s+$/g, '')
    .split(/\n{2,}/)
    .map((block) => {
      const lines = block.split('\n');
      if (lines.every((line) => line.startsWith('  '))) return terms(lines.map((line) => line.slice(2)));
      return `.PP\n${text(lines.map((line) => line.trim()).join('\n'))}`;
    })
    .join('\n');

/** A file as it is. */
export const file = (content) => example(content.trimEnd().split('\n'));

/** A whole page. `date`: the day as YYYY-MM-DD. */
export const page = ({ name, number, date, version }, ...sections) =>
  `.\\" Made by npm run package.\n.TH ${name.toUpperCase()} ${number} ${date} "pciback ${version}" "pciback"\n${sections.join('\n')}\n`;
