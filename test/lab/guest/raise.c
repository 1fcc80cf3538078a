// SPDX-License-Identifier: MIT
// Has an 82540EM that its driver serves interrupt again and again through its own cause register: the next time when the driver has
// read the cause of the last one.
//
// raise RESOURCE0-FILE N     says RAISED after each tenth of them
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { BAR_SIZE = 0x20000, CAUSE_SET = 0xc8 / 4, TRANSMITTED = 1, PATIENCE_S = 30 };

int main(int argc, char **argv) {
	if (argc != 3) return fprintf(stderr, "see the source for the arguments\n"), 2;
	int fd = open(argv[1], O_RDWR), count = atoi(argv[2]);
	if (fd < 0) return perror(argv[1]), 1;
	volatile uint32_t *bar = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bar == MAP_FAILED) return perror("mmap"), 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i <= count; i++) {
		bar[CAUSE_SET] = TRANSMITTED;
		time_t began = 0;
		// Reading it here does not clear it, as reading the cause register does.
		for (unsigned spins = 1; bar[CAUSE_SET] & TRANSMITTED; spins++) {
			if (spins % 64 == 0) sched_yield();
			if (spins % 4096 != 0) continue;
			if (began == 0) began = time(NULL);
			if (time(NULL) - began > PATIENCE_S) return printf("RAISED %d, and nobody serves the next\n", i - 1), 1;
		}
		if (i % (count / 10 > 0 ? count / 10 : 1) == 0) printf("RAISED %d\n", i);
	}
	return 0;
}
