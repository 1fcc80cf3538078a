// SPDX-License-Identifier: MIT

/** File names of the C library, of which each user declares the functions that it calls. */
export const libcNames = ['libc.so.6', 'libc.musl-x86_64.so.1', 'libc.musl-aarch64.so.1'] as const;
