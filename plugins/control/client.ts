// SPDX-License-Identifier: MIT

import { connect } from 'node:net';
import { describeError, PcibackError } from '../../core/errors/index.ts';
import { fail } from '../errors.ts';
import type { ControlClient } from '../kinds/command.ts';
import { type Answer, type ErrorAnswer, LONGEST_ANSWER } from './protocol.ts';
import { LONGEST_PATH, tooLong } from './section.ts';

/** Milliseconds without a word from a running pciback; while it works on the answer there is one each second. */
const PATIENCE = 10_000;

/** What is no error of a catalogue, the program's or that of a plugin there. */
const DEFECTS: readonly string[] = ['HOST', 'DEFECT'];

const remoteError = ({ code, message, solve, facts }: ErrorAnswer): Error =>
  DEFECTS.includes(code)
    ? new Error(`the running pciback failed: ${message}`)
    : new PcibackError(code, message, solve, { ...facts });

/** One exchange: connects, sends one line, reads one line. */
const exchange = (path: string, line: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    const end = (settle: () => void): void => {
      socket.destroy();
      settle();
    };
    socket.setEncoding('utf8');
    socket.setTimeout(PATIENCE, () => end(() => reject(new Error('it does not answer'))));
    socket.once('error', (error) => end(() => reject(error)));
    socket.once('close', () => reject(new Error('it closed the connection')));
    socket.on('data', (part: string) => {
      text += part;
      if (text.length > LONGEST_ANSWER) end(() => reject(new Error('its answer is too long')));
      else if (text.endsWith('\n')) end(() => resolve(text));
    });
    socket.write(`${line}\n`);
  });

/** Whether the error says that no pciback listens at the socket. */
const nobody = (error: unknown): boolean =>
  ['ENOENT', 'ECONNREFUSED'].includes(String((error as NodeJS.ErrnoException).code));

/**
 * Asks the pciback that listens at a socket.
 *
 * @param path `false`: the rc file says that there is none
 */
export const createClient = (path: string | false): ControlClient => {
  const ask = async (op: string, args: unknown): Promise<unknown> => {
    if (path === false) return undefined;
    const bytes = Buffer.byteLength(path);
    if (bytes > LONGEST_PATH) fail('CONTROL_UNREACHABLE', { path, why: tooLong(bytes) });
    let text: string;
    try {
      text = await exchange(path, JSON.stringify({ id: 1, op, args }));
    } catch (error) {
      if (nobody(error)) return undefined;
      return fail('CONTROL_UNREACHABLE', { path, why: describeError(error) }, error);
    }
    const answer = JSON.parse(text) as Answer;
    if (!answer.ok) throw remoteError(answer.error);
    return answer.result;
  };
  return {
    ask,
    require: async (op, args) => {
      const what = 'the rc file says "control: false", so the running pciback cannot be asked';
      if (path === false) return fail('USAGE', { what, nearest: undefined });
      return (await ask(op, args)) ?? fail('CONTROL_UNREACHABLE', { path, why: 'nobody listens there' });
    },
  };
};
