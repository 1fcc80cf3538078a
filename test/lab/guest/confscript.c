// SPDX-License-Identifier: MIT
// confscript SEED OPERATIONS DEVICE...: drives config space of the devices through the kernel's own config files with a
// script that depends on nothing but the seed and the devices, and prints what each operation showed:
//
//   OP device kind offset size written result
//
// Numbers are hexadecimal. `result` is what was read; after a write, what the dword around it reads as. Two runs with the
// same seed on the same devices ask the same questions, so their answers can be compared line by line.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t state;
static uint32_t next(void) {
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 16;
}

static const char *name;
static int fd, size, left;

static uint32_t get(int offset, int bytes) {
	uint32_t value = 0;
	if (pread(fd, &value, bytes, offset) != bytes) return 0xdeaddead;
	return value;
}
static void show(const char *kind, int offset, int bytes, uint32_t written, uint32_t result) {
	printf("OP %s %s %x %d %x %x\n", name, kind, offset, bytes, written, result);
	left--;
}
static void look(int offset, int bytes) {
	if (left > 0 && offset + bytes <= size) show("r", offset, bytes, 0, get(offset, bytes));
}
static void put(int offset, int bytes, uint32_t value) {
	if (left <= 0 || offset + bytes > size) return;
	if (pwrite(fd, &value, bytes, offset) != bytes) show("e", offset, bytes, value, 0);
	else show("w", offset, bytes, value, get(offset & ~3, 4));
}
/* Writes, looks, and puts back what was there. */
static void try(int offset, int bytes, uint32_t value) {
	if (offset + bytes > size) return;
	uint32_t before = get(offset, bytes);
	put(offset, bytes, value);
	put(offset, bytes, before);
}

static void header(void) {
	for (int bytes = 1; bytes <= 4; bytes *= 2)
		for (int offset = 0; offset < 0x40; offset += bytes) look(offset, bytes);
	static const int bars[] = {0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30};
	for (int i = 0; i < 7; i++) {
		try(bars[i], 4, 0xffffffff);
		try(bars[i], 4, 0xfffff800);
		try(bars[i], 4, 0);
		try(bars[i], 2, 0xffff);
		try(bars[i] + 3, 1, 0xff);
	}
	for (int bit = 0; bit < 16; bit++) try(4, 2, get(4, 2) ^ (1u << bit));
	try(4, 2, 0x0007);
	try(4, 4, 0xffff0007);
	for (int offset = 0x0c; offset < 0x40; offset++) {
		if (offset >= 0x10 && offset < 0x28) continue;
		try(offset, 1, get(offset, 1) ^ 0xff);
		try(offset, 1, next());
	}
	try(0x0f, 1, 0x40);
	try(0, 4, 0xffffffff);
	try(8, 4, 0xffffffff);
}
/* In D1 to D3: sizes BARs, writes commands, and switches decode on, which wakes the function. */
static void asleep(int at, int state) {
	uint32_t command = get(4, 2);
	put(4, 2, command & ~7);
	put(at + 4, 2, (get(at + 4, 2) & ~3) | state);
	look(at + 4, 2);
	for (int bar = 0x10; bar < 0x28; bar += 4) try(bar, 4, 0xffffffff);
	try(0x30, 4, 0xfffff800);
	try(4, 2, 0x0404);
	try(4, 2, 0x0140);
	look(at + 4, 2);
	put(4, 2, command | 3);
	look(at + 4, 2);
	put(at + 4, 2, (get(at + 4, 2) & ~3) | state);
	put(4, 2, command | 0x13);
	look(at + 4, 2);
	look(0x0c, 1);
	put(at + 4, 2, get(at + 4, 2) & ~3);
	put(4, 2, command);
	usleep(20000);
}
static void power(int at) {
	for (int to = 1; to < 4; to++) asleep(at, to);
	for (int to = 0; to < 4; to++) {
		put(at + 4, 2, (get(at + 4, 2) & ~3) | to);
		look(4, 2);
		look(0x10, 4);
		put(at + 4, 2, get(at + 4, 2) & ~3);
		usleep(20000);
	}
	for (int bit = 2; bit < 16; bit++) try(at + 4, 2, get(at + 4, 2) ^ (1u << bit));
}
static void capabilities(void) {
	if (!(get(6, 2) & 0x10)) return;
	int guard = 48;
	for (int at = get(0x34, 1) & 0xfc; at >= 0x40 && guard--; at = get(at + 1, 1) & 0xfc) {
		int id = get(at, 1);
		for (int bytes = 1; bytes <= 4; bytes *= 2)
			for (int i = 0; i < 24; i += bytes) look(at + i, bytes);
		if (id == 1) power(at);
		for (int i = 0; i < 24; i += 4) {
			try(at + i, 4, get(at + i, 4) ^ 0xffffffff);
			try(at + i, 2, next());
			try(at + i + 2, 2, next());
			try(at + i + next() % 4, 1, next());
		}
	}
}
static void extended(void) {
	if (size <= 256) return;
	int guard = 48;
	for (int at = 0x100; at >= 0x100 && guard--; at = get(at, 4) >> 20 & 0xffc) {
		for (int i = 0; i < 32; i += 4) {
			look(at + i, 4);
			try(at + i, 4, get(at + i, 4) ^ 0xffffffff);
			try(at + i + 2, 2, next());
		}
	}
}
static void anything(int operations) {
	while (operations-- > 0 && left > 0) {
		int bytes = 1 << next() % 3;
		int offset = (next() % 4 ? next() % 256 : next() % size) & ~(bytes - 1);
		if (next() % 2) look(offset, bytes);
		else try(offset, bytes, next());
	}
}

int main(int argc, char **argv) {
	if (argc < 4) {
		fprintf(stderr, "confscript SEED OPERATIONS DEVICE...\n");
		return 2;
	}
	state = 0x9e3779b97f4a7c15ull ^ (strtoull(argv[1], 0, 0) << 20);
	int each = atoi(argv[2]) / (argc - 3);
	for (int i = 3; i < argc; i++) {
		char path[256];
		snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/config", argv[i]);
		fd = open(path, O_RDWR);
		if (fd < 0) {
			perror(path);
			return 1;
		}
		char probe[4096];
		size = pread(fd, probe, sizeof probe, 0) > 256 ? 4096 : 256;
		name = argv[i];
		left = each;
		for (int n = 0; n < 4; n++) next();
		header();
		capabilities();
		extended();
		anything(each);
		close(fd);
		printf("OPS %s %d\n", name, each - left);
		fflush(stdout);
	}
	return 0;
}
