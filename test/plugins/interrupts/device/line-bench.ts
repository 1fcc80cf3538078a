// SPDX-License-Identifier: MIT

import type { SharedLines } from '../../../../core/interrupts.ts';
import { RateLimit } from '../../../../core/log.ts';
import { HostError, type LineInterrupts, type LineVerdict } from '../../../../core/platform/index.ts';
import { Request } from '../../../../core/ring/request.ts';
import { HostOperations } from '../../../../core/stub/index.ts';
import { LineHandler } from '../../../../plugins/interrupts/device/line-handler.ts';
import { Vectors } from '../../../../plugins/interrupts/device/vectors.ts';
import { FakeFunction, type FakeFunctionSettings } from '../../../kit/fake-function.ts';
import { createManualClock } from '../../../kit/manual-clock.ts';

export const COMMAND = 0x04;
export const INTX_DISABLE = 0x0400;
const MSI = 0x50;
const MSIX = 0x70;

/** One device on line 19, the host's half of that line, and what was done and said. */
export class LineBench {
  readonly nic: FakeFunction;
  readonly operations: HostOperations;
  readonly handler: LineHandler;
  readonly vectors: Vectors;
  /** Calls to the platform. */
  readonly calls: string[] = [];
  readonly log: string[] = [];
  /** The installed handler. */
  interrupt: (() => LineVerdict) | undefined;
  claimError: HostError | undefined;
  users: string[] = [];
  usersError: HostError | undefined;
  shared: () => boolean = () => true;
  mapError: HostError | undefined;

  constructor(settings: FakeFunctionSettings = {}, canClaim = true, sharedLines: SharedLines = 'refuse') {
    const clock = createManualClock();
    this.nic = new FakeFunction({
      line: 19,
      image: [
        [0x06, 2, 0x0010],
        [0x34, 1, MSI],
        [0x3d, 1, 1],
        [MSI, 2, 0x0005 | (MSIX << 8)],
        [MSIX, 1, 0x11],
        [MSIX + 2, 2, 3],
      ],
      resources: [{ start: 0xfe000000n, size: 0x4000n, flags: 0x200 }],
      ...settings,
    });
    this.operations = new HostOperations(this.nic, clock);
    const limit = new RateLimit(() => clock.now());
    const lines: LineInterrupts = {
      canClaim,
      claim: (_device, name, handler) => {
        this.calls.push(`claim ${name}`);
        if (this.claimError !== undefined) throw this.claimError;
        this.interrupt = handler;
        return {
          hear: (state) => void this.calls.push(`hear ${state}`),
          release: () => {
            this.calls.push('release');
            this.interrupt = undefined;
          },
        };
      },
      isShared: (line) => {
        this.calls.push(`query ${line}`);
        return this.shared();
      },
      hostUsers: () => {
        if (this.usersError !== undefined) throw this.usersError;
        return this.users;
      },
    };
    this.handler = new LineHandler({
      operations: this.operations,
      lines,
      sharedLines,
      warn: (_facts, message) => {
        if (limit.allows()) this.log.push(message);
      },
      refused: (why) => this.log.push(why),
    });
    this.vectors = new Vectors({
      domain: 1,
      operations: this.operations,
      mapper: {
        mapMsi: () => {
          if (this.mapError !== undefined) throw this.mapError;
          return 55;
        },
        mapMsix: () => {
          if (this.mapError !== undefined) throw this.mapError;
          return 56;
        },
        unmap: () => undefined,
        linePirq: () => 19,
      } as never,
      refuses: () => undefined,
      warn: () => undefined,
      switched: (state) => (state === 'on' ? this.handler.messagesOn() : this.handler.messagesOff()),
    });
  }

  /** The guest writes IO or MEMORY into the command register, with success. */
  on(): void {
    this.operations.enable();
    this.handler.follow();
  }

  /** The guest takes both away. */
  off(): void {
    this.operations.disable();
    this.handler.follow();
  }

  msiOn(): number {
    return this.vectors.enableMsi(new Request());
  }

  msiOff(): number {
    return this.vectors.disableMsi(new Request());
  }

  get intxDisabled(): boolean {
    return (this.nic.get(COMMAND, 2) & INTX_DISABLE) !== 0;
  }
}

/** What a platform throws that refuses a line. */
export const refusal = (errno: number): HostError => new HostError('request_irq', errno);
