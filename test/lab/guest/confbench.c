// SPDX-License-Identifier: MIT
// confbench CONFIG-FILE N: latency of N 4-byte config-space reads, one ring operation each, in microseconds.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
static int by_value(const void *a, const void *b) { double x = *(double *)a, y = *(double *)b; return x < y ? -1 : x > y; }
int main(int argc, char **argv) {
	int n = argc > 2 ? atoi(argv[2]) : 2000, fd = open(argv[1], O_RDONLY);
	double *t = malloc(n * sizeof *t);
	struct timespec a, b;
	uint32_t v;
	for (int i = 0; i < n; i++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		if (pread(fd, &v, 4, i % 16 * 4) != 4) { perror("pread"); return 1; }
		clock_gettime(CLOCK_MONOTONIC, &b);
		t[i] = (b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3;
	}
	qsort(t, n, sizeof *t, by_value);
	printf("BENCH n=%d us min=%.0f p50=%.0f p90=%.0f p99=%.0f max=%.0f\n", n, t[0], t[n / 2], t[n * 9 / 10], t[n * 99 / 100], t[n - 1]);
}
