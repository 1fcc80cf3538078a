// SPDX-License-Identifier: MIT

/** Where devices come from: this host, a dump, the bundled samples. */
export { parseDump, readDump } from './dump.ts';
export { HOST_DIRECTORY, hostDevices } from './host.ts';
export { limitsOf } from './limits.ts';
export { type SampleName, sample, sampleNames, samples } from './samples.ts';
