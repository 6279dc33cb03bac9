/*
 * A consumer on libbpf, as the comparison runs it:
 *
 *   reader OBJECT PID RING_BYTES count|latency|lines
 *
 * PID 0 loads the program that BPF_PROG_TEST_RUN can repeat and prints its id; else it attaches to the tracepoint.
 * "ready" on stdout when it is attached. On SIGTERM it drains the ring and prints one line of JSON: events, the
 * monotonic times of the first and the last one, and the latencies' percentiles. lines: prints each event.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct event {
	unsigned long long time, cgroup;
	unsigned pid, tid, cpu, value;
	char comm[16];
};

static volatile sig_atomic_t ended;
static int timing, printing;
static unsigned long long count, first, last, sum;
static unsigned long long *waits, room;

static unsigned long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void end(int number)
{
	(void)number;
	ended = 1;
}

static int note(void *context, void *data, size_t size)
{
	const struct event *e = data;

	(void)context;
	(void)size;
	sum += e->pid; /* a consumer looks at its events */
	if (printing) {
		printf("%llu %u %u %s\n", e->time, e->pid, e->value, e->comm);
		fflush(stdout);
	}
	if (timing) {
		if (count == room) {
			room = room ? 2 * room : 1 << 16;
			waits = realloc(waits, room * sizeof *waits);
			if (!waits)
				exit(1);
		}
		waits[count] = now() - e->time;
	}
	count++;
	return 0;
}

static int by_size(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	struct bpf_program *call, *repeated;
	struct bpf_object *object;
	struct ring_buffer *ring;
	struct bpf_map *events, *rodata;
	struct bpf_link *link;
	unsigned pid, size;
	void *initial;
	size_t length;

	if (argc != 5)
		return 2;
	pid = atoi(argv[2]);
	size = atoi(argv[3]);
	timing = !strcmp(argv[4], "latency");
	printing = !strcmp(argv[4], "lines");
	signal(SIGTERM, end);
	object = bpf_object__open_file(argv[1], NULL);
	if (!object)
		return 1;
	call = bpf_object__find_program_by_name(object, "by_call");
	repeated = bpf_object__find_program_by_name(object, "by_test_run");
	events = bpf_object__find_map_by_name(object, "events");
	rodata = bpf_object__find_map_by_name(object, ".rodata");
	initial = rodata ? (void *)bpf_map__initial_value(rodata, &length) : NULL;
	if (!call || !repeated || !events || !initial)
		return 1;
	memcpy(initial, &pid, sizeof pid);
	bpf_map__set_max_entries(events, size);
	bpf_program__set_autoload(call, pid != 0);
	bpf_program__set_autoload(repeated, pid == 0);
	if (bpf_object__load(object))
		return 1;
	ring = ring_buffer__new(bpf_map__fd(events), note, NULL, NULL);
	if (!ring)
		return 1;
	if (pid) {
		link = bpf_program__attach(call);
		if (!link)
			return 1;
		printf("ready\n");
	} else {
		struct bpf_prog_info info = {};
		unsigned space = sizeof info;

		if (bpf_obj_get_info_by_fd(bpf_program__fd(repeated), &info, &space))
			return 1;
		printf("ready %u\n", info.id);
	}
	fflush(stdout);
	for (;;) {
		unsigned long long before = count;

		ring_buffer__poll(ring, 50);
		if (count > before) {
			last = now();
			first = first ? first : last;
		} else if (ended)
			break;
	}
	if (timing)
		qsort(waits, count, sizeof *waits, by_size);
	printf("{\"delivered\": %llu, \"first\": %llu, \"last\": %llu, \"p50\": %llu, \"p99\": %llu}\n", count, first, last,
	       timing && count ? waits[count / 2] : 0, timing && count ? waits[count * 99 / 100] : 0);
	return sum ? 0 : 3;
}
