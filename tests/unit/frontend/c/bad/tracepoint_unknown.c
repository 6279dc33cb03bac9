TRACEPOINT_PROBE(sched, sched_swich) {
  return args->prev_pid;
}
