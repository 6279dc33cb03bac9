/*
 * What the benchmarks trace. Commands come on stdin, answers go to stdout, so that nobody has to
 * sleep and hope:
 *
 *   work listen MICROSECONDS   calls listen(2) for ever, with a pause after each call
 *   work getppid CPU [THREADS] for each line "N": N times getppid(2) on that CPU, then the ns it took;
 *                              for "N RATE" so many a second. Threads share the calls; the second one runs on the CPU before
 */

#define _GNU_SOURCE
#include <netinet/in.h>
#include <pthread.h>
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

/* Sleep until a time, or spin where a sleep would be too long. */
static void until(long long when, long long step)
{
	struct timespec t = {when / 1000000000, when % 1000000000};

	if (step >= 200000)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	while (now() < when)
		;
}

static long count, rate;
static int threads, last_cpu;

static void *calls(void *argument)
{
	long number = (long)argument;
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long long start = now();
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((last_cpu + cpus - number) % cpus, &set);
	pthread_setaffinity_np(pthread_self(), sizeof set, &set);
	for (long i = 0; i < count / threads; i++) {
		if (rate)
			until(start + i * 1000000000LL / rate, 1000000000LL / rate);
		syscall(SYS_getppid);
	}
	return NULL;
}

static int getppid_on_demand(int cpu, int wanted)
{
	char line[64];

	last_cpu = cpu;
	threads = wanted;
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		pthread_t others[64];
		long long start = now();

		count = rate = 0;
		sscanf(line, "%ld %ld", &count, &rate);
		for (long i = 1; i < threads; i++)
			pthread_create(&others[i], NULL, calls, (void *)i);
		calls((void *)0);
		for (long i = 1; i < threads; i++)
			pthread_join(others[i], NULL);
		printf("%lld\n", now() - start);
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "listen"))
		return listen_for_ever(atol(argv[2]));
	if (argc >= 3 && !strcmp(argv[1], "getppid"))
		return getppid_on_demand(atoi(argv[2]), argc > 3 ? atoi(argv[3]) : 1);
	return 2;
}
