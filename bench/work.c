/*
 * What the benchmarks trace. Commands come on stdin, answers go to stdout, so that nobody has to
 * sleep and hope:
 *
 *   work listen MICROSECONDS   calls listen(2) for ever, with a pause after each call
 *   work getppid CPU           for each line "N": N times getppid(2) on that CPU, then the ns it took
 */

#define _GNU_SOURCE
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int listen_for_ever(long microseconds)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timespec pause = {microseconds / 1000000, microseconds % 1000000 * 1000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (void *)&any, sizeof any) < 0)
		return 1;
	puts("ready");
	fflush(stdout);
	for (;;) {
		listen(fd, 5);
		nanosleep(&pause, NULL);
	}
}

static int getppid_on_demand(int cpu)
{
	cpu_set_t set;
	char line[64];

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		long count = atol(line);
		long long start = now();

		for (long i = 0; i < count; i++)
			syscall(SYS_getppid);
		printf("%lld\n", now() - start);
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "listen"))
		return listen_for_ever(atol(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "getppid"))
		return getppid_on_demand(atoi(argv[2]));
	return 2;
}
