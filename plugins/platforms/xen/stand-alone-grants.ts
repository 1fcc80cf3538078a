// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { type PciFunction, ResourceFlag } from '../../../core/platform/index.ts';
import { fail } from '../../errors.ts';
import { type Change, type GuestChange, type HostChanges, isGuests } from './stand-alone-changes.ts';
import { isWithoutIommu, type Permission, type Permissions } from './stand-alone-permissions.ts';

const FRAME_BITS = 12n;

/** What one function needs of the hypervisor for a domain: ports, memory, its line. */
export const needsOf = (
  domain: number,
  { resources, line }: Pick<PciFunction, 'resources' | 'line'>,
): readonly Exclude<GuestChange, { readonly what: 'assigned' | 'entry' | 'handler' }>[] => [
  ...resources.flatMap(({ start, size, flags }): GuestChangeOfMemory[] => {
    if (size === 0n || start === 0n || (flags & ResourceFlag.unassigned) !== 0) return [];
    if ((flags & ResourceFlag.io) !== 0) return [{ what: 'ports', domain, first: Number(start), count: Number(size) }];
    if ((flags & ResourceFlag.memory) === 0) return [];
    const first = start >> FRAME_BITS;
    const count = ((start + size - 1n) >> FRAME_BITS) - first + 1n;
    return [{ what: 'frames', domain, first: `0x${first.toString(16)}`, count: `0x${count.toString(16)}` }];
  }),
  ...(line === 0
    ? []
    : ([
        { what: 'line', domain, pirq: line },
        { what: 'line permission', domain, pirq: line },
      ] as const)),
];
const isGrant = (change: Change): change is GuestChange =>
  isGuests(change) && change.what !== 'entry' && change.what !== 'handler';
type GuestChangeOfMemory = Extract<GuestChange, { readonly what: 'ports' | 'frames' }>;

/** What functions are given with. */
export interface GrantTerms {
  readonly changes: HostChanges;
  readonly permissions: Permissions;
  readonly iommu: 'in use' | 'none';
}

/** Gives functions to domains as the hypervisor sees it, and takes them away; each step is noted before. */
export class Grants {
  readonly #terms: GrantTerms;

  constructor(terms: GrantTerms) {
    this.#terms = terms;
  }

  /**
   * Lets a domain use a function; all or nothing.
   *
   * @throws PcibackError `GUEST_WITHOUT_PASSTHROUGH`; HostError what the hypervisor refuses
   */
  async give(address: Bdf, domain: number, hardware: Pick<PciFunction, 'resources' | 'line'>): Promise<void> {
    const { changes, iommu } = this.#terms;
    const assigned = { what: 'assigned', domain } as const;
    try {
      for (const change of [...needsOf(domain, hardware), ...(iommu === 'none' ? [] : [assigned])])
        await changes.make(address, change, () => this.#act(address, change, 'allow'));
    } catch (error) {
      await this.takeBack(address);
      if (isWithoutIommu(error)) fail('GUEST_WITHOUT_PASSTHROUGH', { bdf: formatBdf(address), domain }, error);
      throw error;
    }
  }

  /**
   * Takes back all that domains may of a function, exactly as it was noted. A domain that is gone, and what it had with it, is no error.
   *
   * @throws HostError the first thing that was refused; the rest was tried
   */
  takeBack(address: Bdf): Promise<void> {
    return this.#terms.changes.undo(
      address,
      isGrant,
      (change) => {
        if (!this.#isNeededByAnother(address, change)) this.#act(address, change, 'forbid');
      },
      'go on',
    );
  }

  /** Another function of the same domain has a part of it too: the line, say. It keeps it until that one goes. */
  #isNeededByAnother(address: Bdf, change: GuestChange): boolean {
    if (change.what !== 'line' && change.what !== 'line permission') return false;
    const { changes } = this.#terms;
    return changes.addresses.some(
      (other) =>
        other !== address &&
        changes
          .of(other)
          .some((one) => one.what === change.what && one.domain === change.domain && one.pirq === change.pirq),
    );
  }

  #act(address: Bdf, change: GuestChange, what: Permission): void {
    const { domain } = change;
    const { permissions } = this.#terms;
    if (change.what === 'ports') permissions.ports(domain, change.first, change.count, what);
    else if (change.what === 'frames') permissions.frames(domain, BigInt(change.first), BigInt(change.count), what);
    else if (change.what === 'line permission') permissions.line(domain, change.pirq, what);
    else if (change.what === 'line') {
      if (what === 'allow') permissions.mapLine(domain, change.pirq);
      else permissions.unmapLine(domain, change.pirq);
    } else if (change.what === 'assigned') {
      if (what === 'allow') permissions.assign(domain, address, 'strict');
      else permissions.deassign(domain, address);
    }
  }
}
