// SPDX-License-Identifier: MIT

import type { Channel, GuestVerdict } from '../../core/ring/layout.ts';

const verdictNames = ['', 'none', 'can recover', 'needs reset', 'disconnect', 'recovered', 'no driver'];

/** What a guest answered, for people. */
export const verdictName = (verdict: GuestVerdict): string => verdictNames[verdict] ?? '';

const channelNames = ['', 'normal', 'frozen', 'permanent failure'];

/** What a guest was told of its channel, for people. */
export const channelName = (channel: Channel): string => channelNames[channel] ?? '';
