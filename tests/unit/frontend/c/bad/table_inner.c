BPF_ARRAY_OF_MAPS(outer, "inner", 4);
