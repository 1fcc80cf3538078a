// SPDX-License-Identifier: MIT
// A stopwatch for what a guest does to a PCI device. Each form prints one line with microseconds:
//
//   BENCH NAME count=N p50=… p90=… p99=… max=…
//
// confbench NAME read N CONFIG-FILE FROM TO        4-byte reads of the dwords from FROM up to TO in turn
// confbench NAME write N CONFIG-FILE OFFSET SIZE   writes of what is there, SIZE bytes
// confbench NAME alone N FILE MICROSECONDS         as many reads of FILE, which nobody is asked for, as take that long
// confbench NAME store N FILE TEXT [FIRST-FILE]    TEXT into FILE; before each, untimed, into FIRST-FILE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int by_value(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}
static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}
static void die(const char *what) {
	perror(what);
	exit(1);
}
static int opened(const char *file, int flags) {
	int fd = open(file, flags);
	if (fd < 0) die(file);
	return fd;
}
static void store(const char *file, const char *text) {
	int fd = opened(file, O_WRONLY);
	if (write(fd, text, strlen(text)) < 0) die(file);
	close(fd);
}
static void report(const char *name, double *times, int count) {
	qsort(times, count, sizeof *times, by_value);
	printf("BENCH %s count=%d p50=%.1f p90=%.1f p99=%.1f max=%.1f\n", name, count, times[count / 2],
	       times[(int)(count * 0.9)], times[(int)(count * 0.99)], times[count - 1]);
}

int main(int argc, char **argv) {
	if (argc < 6) return fprintf(stderr, "see the source for the arguments\n"), 2;
	const char *name = argv[1], *form = argv[2], *file = argv[4];
	int count = atoi(argv[3]);
	if (count < 1) return fprintf(stderr, "nothing to count\n"), 2;
	double *times = malloc(count * sizeof *times);
	uint32_t value;
	if (!strcmp(form, "read") && argc == 7) {
		int fd = opened(file, O_RDONLY), from = strtol(argv[5], NULL, 0), to = strtol(argv[6], NULL, 0);
		for (int i = 0, at = from; i < count; i++, at = at + 4 < to ? at + 4 : from) {
			double start = now();
			if (pread(fd, &value, 4, at) != 4) die("pread");
			times[i] = now() - start;
		}
	} else if (!strcmp(form, "write") && argc == 7) {
		int fd = opened(file, O_RDWR), at = strtol(argv[5], NULL, 0), size = atoi(argv[6]);
		if (size < 1 || size > 4 || pread(fd, &value, size, at) != size) die("pread");
		for (int i = 0; i < count; i++) {
			double start = now();
			if (pwrite(fd, &value, size, at) != size) die("pwrite");
			times[i] = now() - start;
		}
	} else if (!strcmp(form, "alone") && argc == 6) {
		int fd = opened(file, O_RDONLY), reads = 1;
		for (int round = 0; round < 2; round++) {
			for (int i = 0; i < count; i++) {
				double start = now();
				for (int read = 0; read < reads; read++)
					if (pread(fd, &value, 4, 0) != 4) die("pread");
				times[i] = now() - start;
			}
			if (round > 0) break;
			qsort(times, count, sizeof *times, by_value);
			reads = atof(argv[5]) / times[count / 2] + 1;
		}
	} else if (!strcmp(form, "store")) {
		for (int i = 0; i < count; i++) {
			if (argc > 6) store(argv[6], argv[5]);
			double start = now();
			store(file, argv[5]);
			times[i] = now() - start;
		}
	} else return fprintf(stderr, "unknown form %s\n", form), 2;
	report(name, times, count);
}
