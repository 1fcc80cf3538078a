// SPDX-License-Identifier: MIT

import type { Bdf } from '../../core/bdf.ts';
import type { PageReference, Platform } from '../../core/platform/index.ts';
import type { ContractCase } from './contract.ts';

/** A page that the peer granted to the platform's domain. */
export interface PeerPage {
  readonly reference: number;
  /** The peer's own view of the page: 4096 bytes. */
  readonly memory: ArrayBufferLike;
  /** Takes the grant back; nobody has it mapped any more. */
  end(): void;
}

/** A port that the peer offered to the platform's domain. */
export interface PeerPort {
  readonly port: number;
  /** Sends an event to whoever bound the port. */
  notify(): void;
  /** Number of events that arrived at the peer's end so far. */
  received(): number;
  close(): void;
}

/** The other side: a domain that grants pages and offers ports, as a guest does. */
export interface PlatformPeer {
  readonly domain: number;
  grant(): PeerPage;
  offerPort(): PeerPort;
}

/** What a platform needs so that its obligations can be shown. */
export interface PlatformFixture {
  readonly platform: Platform;
  readonly peer: PlatformPeer;
  /** A path of the store below which anything may be written. */
  readonly folder: string;
  /** A function that can be seized and is not seized yet. */
  readonly device: Bdf;
  /** The memory behind a reference, as another thread gets at it. Missing: the platform hands out none. */
  readonly memoryOf?: (reference: PageReference) => ArrayBufferLike;
  /** Whether the function's config space must be memory; missing: where it can be. */
  readonly needsConfigPage?: boolean;
  /** Milliseconds after which something that did not happen counts as not happening. */
  readonly patience: number;
}

export type PlatformCase = ContractCase<PlatformFixture>;
