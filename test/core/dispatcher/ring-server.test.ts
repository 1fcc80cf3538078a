// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import { Dispatcher, RingServer } from '../../../core/dispatcher/index.ts';
import { Command, Flag, Page, Status } from '../../../core/ring/layout.ts';
import { Ring } from '../../../core/ring/ring.ts';
import type { ConfigSpace } from '../../../core/space/config-space.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import { ErrorRequests } from '../../../plugins/recovery/error-requests.ts';
import { createManualClock } from '../../kit/manual-clock.ts';

const setup = () => {
  const memory = new SharedArrayBuffer(Page.bytes);
  const words = new Int32Array(memory);
  const ring = new Ring(memory);
  const clock = createManualClock();
  /** What happened, in order. */
  const trace: string[] = [];
  const answers: ((value: number) => number)[] = [];
  const space = {
    value: 0,
    read: (offset: number) => {
      trace.push(`read ${offset}`);
      return answers.shift()?.(offset) ?? Status.success;
    },
  };
  const dispatcher = new Dispatcher(
    {
      lookup: () => ({
        assignment: { space: space as unknown as ConfigSpace, interrupts: { follow: () => {} } as never },
      }),
    },
    (error) => trace.push(`failed ${String(error)}`),
  );
  const server = new RingServer(ring, dispatcher, clock);
  const send = (offset: number): void => {
    words[Page.cmd >> 2] = Command.confRead;
    words[Page.offset >> 2] = offset;
    Atomics.or(words, 0, Flag.frontActive);
  };
  const channel = {
    port: 5,
    notify: () => {
      trace.push(`notify err=${words[Page.err >> 2]}`);
    },
    unmask: () => {
      trace.push('unmask');
    },
    close: () => {
      trace.push('close');
    },
  };
  server.serve(channel);
  return { clock, trace, server, send, words, answers, channel };
};

let it_: ReturnType<typeof setup>;
beforeEach(() => {
  it_ = setup();
});

describe('one delivery, one unmask, after the work (seed c2711441bc)', () => {
  it('a request', () => {
    it_.send(4);
    it_.server.event();
    expect(it_.trace).toEqual(['read 4', 'notify err=0', 'unmask']);
  });

  it('two requests back to back in one run', () => {
    it_.answers.push(() => Status.success);
    const notify = it_.channel.notify;
    let first = true;
    it_.channel.notify = () => {
      notify();
      if (first) it_.send(8);
      first = false;
    };
    it_.send(4);
    it_.server.event();
    expect(it_.trace).toEqual(['read 4', 'notify err=0', 'read 8', 'notify err=0', 'unmask']);
  });

  it('an empty event is unmasked at once, the next ones later and later, at most one second', () => {
    const delays: number[] = [];
    for (let i = 0; i < 16; i++) {
      it_.server.event();
      let waited = 0;
      while (it_.trace.length === i) {
        it_.clock.advance(1);
        waited++;
      }
      delays.push(waited);
    }
    expect(it_.trace).toEqual(Array(16).fill('unmask'));
    expect(delays.slice(0, 6)).toEqual([0, 0, 1, 2, 4, 8]);
    expect(Math.max(...delays)).toBe(1000);
  });

  it('a request ends the back-off', () => {
    for (let i = 0; i < 6; i++) {
      it_.server.event();
      it_.clock.advance(1000);
    }
    it_.send(0);
    it_.server.event();
    it_.trace.length = 0;
    it_.server.event();
    expect(it_.trace).toEqual(['unmask']);
  });

  it('a request that came while its channel was masked for the back-off is answered then', () => {
    for (let i = 0; i < 5; i++) {
      it_.server.event();
      it_.clock.advance(1000);
    }
    it_.server.event();
    it_.send(12);
    it_.trace.length = 0;
    it_.clock.advance(1000);
    expect(it_.trace).toEqual(['read 12', 'notify err=0', 'unmask']);
  });

  it('a channel that delivered nothing is not unmasked', () => {
    const other = setup();
    other.send(0);
    other.server.serve(other.channel);
    expect(other.trace).toEqual(['read 0', 'notify err=0']);
  });
});

describe('requests that wait for their device', () => {
  it('are answered when it has settled; the channel stays masked meanwhile', () => {
    it_.answers.push(() => Outcome.later);
    it_.send(4);
    it_.server.event();
    expect(it_.trace).toEqual(['read 4']);
    it_.server.settled(Status.accessDenied);
    expect(it_.trace).toEqual(['read 4', 'notify err=-3', 'unmask']);
  });

  it('a disconnect waits for them, and answers nobody afterwards (seed 429eafe609)', async () => {
    it_.answers.push(() => Outcome.later);
    it_.send(4);
    it_.server.event();
    let ended = false;
    const closing = it_.server.close().then(() => {
      ended = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toBe(false);
    it_.server.settled(Status.success);
    await closing;
    expect(it_.trace).toEqual(['read 4']);
  });

  it('a late settling is ignored', () => {
    it_.server.settled(Status.success);
    expect(it_.trace).toEqual([]);
  });
});

describe('who asks the guest', () => {
  it('is closed at once by a server that is, so that nothing touches the page (D-P4)', async () => {
    await it_.server.close();
    let closed = 0;
    it_.server.attach({ look: () => false, close: () => closed++ });
    expect(closed).toBe(1);
  });
});

describe('a guest that never stops asking', () => {
  it('is served in bursts, with a turn for the others in between', async () => {
    const notify = it_.channel.notify;
    let left = 200;
    it_.channel.notify = () => {
      notify();
      if (--left > 0) it_.send(0);
    };
    it_.send(0);
    it_.server.event();
    const inFirstRun = it_.trace.filter((line) => line.startsWith('read')).length;
    expect(inFirstRun).toBe(64);
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(it_.trace.filter((line) => line.startsWith('read'))).toHaveLength(200);
    expect(it_.trace.filter((line) => line === 'unmask')).toHaveLength(1);
  });
});

describe('what is thrown inside of a request', () => {
  it('is op_failed for the guest, told to the log, and does not end the serving (S-13)', () => {
    it_.answers.push(() => {
      throw new Error('inside');
    });
    it_.send(4);
    it_.server.event();
    it_.send(8);
    it_.server.event();
    expect(it_.trace).toEqual([
      'read 4',
      'failed Error: inside',
      'notify err=-5',
      'unmask',
      'read 8',
      'notify err=0',
      'unmask',
    ]);
  });
});

describe('a page that is shared', () => {
  const shared = (step: number) => {
    const memory = new SharedArrayBuffer(Page.bytes);
    const words = new Int32Array(memory);
    const trace: string[] = [];
    let refill = 0;
    const statuses: number[] = [];
    const space = {
      bits: 0,
      read: () => {
        trace.push('read');
        return statuses.shift() ?? Status.success;
      },
    };
    const target = {
      assignment: { space: space as unknown as ConfigSpace, interrupts: { follow: () => {} } as never },
    };
    const dispatcher = new Dispatcher({ lookup: () => target }, () => {});
    let time = 0;
    const clock = { now: () => (time += step), after: () => () => {} };
    const server = new RingServer(new Ring(memory), dispatcher, clock);
    const notify = () => {
      if (refill-- > 0) Atomics.or(words, 0, 1);
    };
    const channel = {
      port: 1,
      notify,
      unmask: () => trace.push('unmask'),
      close: () => {},
    };
    server.serve(channel, 'shared');
    const questions = new ErrorRequests(server);
    return { server, questions, words, trace, statuses, refillFor: (count: number) => (refill = count) };
  };

  it('the request that an event brought is answered, however long the thread was kept from it', () => {
    const { server, words, trace } = shared(1000);
    Atomics.or(words, 0, 1);
    server.event();
    expect(trace).toEqual(['read', 'unmask']);
    expect(Atomics.load(words, 0)).toBe(0);
  });

  it('the next request is left to whoever shares the page, which gets it back as soon as this one is answered', () => {
    const { server, words, trace, refillFor } = shared(1000);
    refillFor(5);
    Atomics.or(words, 0, 1);
    server.event();
    expect(trace).toEqual(['read', 'unmask']);
    expect(Atomics.load(words, 0)).toBe(1);
  });

  describe('a question about an error', () => {
    const question = { command: Command.aerDetected, state: 1, segment: 0, bus: 0, devfn: 0 };
    /** The guest answers: clears the flag of the question. */
    const answer = (words: Int32Array) => void Atomics.and(words, 0, ~Flag.backActive);

    it('does not give the page away while a request is being worked on', async () => {
      const { server, questions, words, trace, statuses } = shared(0);
      Atomics.or(words, 0, Flag.aerHandler);
      statuses.push(Outcome.later);
      Atomics.or(words, 0, 1);
      server.event();
      const asked = questions.ask(question, 1000);
      expect(trace).toEqual(['read']);
      answer(words);
      server.settled(Status.success);
      expect(trace).toEqual(['read', 'unmask']);
      expect(await asked).not.toBe('time-out');
      expect(words[Page.err >> 2]).toBe(Status.success);
    });

    it('that goes out on the answer to another one does not give it away before the request beside is done', async () => {
      const { server, questions, words, trace } = shared(0);
      Atomics.or(words, 0, Flag.aerHandler);
      const asked = questions.ask(question, 1000);
      void questions.ask(question, 1000);
      answer(words);
      Atomics.or(words, 0, 1);
      server.event();
      await asked;
      expect(trace).toEqual(['read', 'unmask']);
    });
  });
});
