// SPDX-License-Identifier: MIT

export { ControlClient } from './client.ts';
export { Control, type ControlTerms } from './operations.ts';
export * from './protocol.ts';
export { ControlServer } from './server.ts';
