"""BPF helpers: number, arguments and result, from ``include/uapi/linux/bpf.h``.

Numbers never change, and the kernel has added none since ``cgrp_storage_delete``: what came later are
kfuncs. A helper that old kernels lack is guarded with `ir.ops.HelperExists`.
"""

from __future__ import annotations

from enum import Enum

import msgspec


class Arg(Enum):
    """What a helper takes in one argument."""

    CTX = "ctx"  # the program's context
    MAP = "map"  # a map, by MapAddr
    IN = "in"  # memory that it reads
    OUT = "out"  # memory that it writes; need not be initialised
    RECORD = "record"  # a record from ringbuf_reserve
    ADDRESS = "address"  # any address as a number or pointer; checked when it runs
    FUNCTION = "function"  # a function of the program, by FunctionAddr
    NUMBER = "number"  # any integer, such as sizes and flags


class Returns(Enum):
    """What a helper gives back."""

    NUMBER = "number"  # 64 bits; errors are negative
    VALUE = "value"  # pointer to a map's value or a storage, or NULL
    RECORD = "record"  # pointer to a reserved record, or NULL
    KERNEL = "kernel"  # address of a kernel object
    TYPED = "typed"  # address of a kernel object that the verifier knows by its BTF type, or NULL
    SOCKET = "socket"  # struct bpf_sock and the like, which programs load from, or NULL


class HelperInfo(msgspec.Struct, frozen=True):
    """One helper; the name is without its prefix ``bpf_``."""

    name: str
    number: int
    args: tuple[Arg, ...]
    returns: Returns = Returns.NUMBER


# Number, name, one letter for each argument (the first of its kind's name), result if no number.
_ROWS = """
    1 map_lookup_elem mi value
    2 map_update_elem miin
    3 map_delete_elem mi
    4 probe_read ona
    5 ktime_get_ns -
    6 trace_printk innnn
    7 get_prandom_u32 -
    8 get_smp_processor_id -
    9 skb_store_bytes cninn
    10 l3_csum_replace cnnnn
    11 l4_csum_replace cnnnn
    12 tail_call cmn
    13 clone_redirect cnn
    14 get_current_pid_tgid -
    15 get_current_uid_gid -
    16 get_current_comm on
    17 get_cgroup_classid c
    18 skb_vlan_push cnn
    19 skb_vlan_pop c
    20 skb_get_tunnel_key conn
    21 skb_set_tunnel_key cinn
    22 perf_event_read mn
    23 redirect nn
    24 get_route_realm c
    25 perf_event_output cmnin
    26 skb_load_bytes cnon
    27 get_stackid cmn
    28 csum_diff ininn
    29 skb_get_tunnel_opt con
    30 skb_set_tunnel_opt cin
    31 skb_change_proto cnn
    32 skb_change_type cn
    33 skb_under_cgroup cmn
    34 get_hash_recalc c
    35 get_current_task - kernel
    36 probe_write_user ain
    37 current_task_under_cgroup mn
    38 skb_change_tail cnn
    39 skb_pull_data cn
    40 csum_update cn
    41 set_hash_invalid c
    42 get_numa_node_id -
    43 skb_change_head cnn
    44 xdp_adjust_head cn
    45 probe_read_str ona
    46 get_socket_cookie a
    47 get_socket_uid c
    48 set_hash cn
    49 setsockopt annin
    50 skb_adjust_room cnnn
    51 redirect_map mnn
    52 sk_redirect_map cmnn
    53 sock_map_update cmin
    54 xdp_adjust_meta cn
    55 perf_event_read_value mnon
    56 perf_prog_read_value con
    57 getsockopt annon
    58 override_return cn
    59 sock_ops_cb_flags_set cn
    60 msg_redirect_map cmnn
    61 msg_apply_bytes cn
    62 msg_cork_bytes cn
    63 msg_pull_data cnnn
    64 bind cin
    65 xdp_adjust_tail cn
    66 skb_get_xfrm_state cnonn
    67 get_stack conn
    68 skb_load_bytes_relative cnonn
    69 fib_lookup conn
    70 sock_hash_update cmin
    71 msg_redirect_hash cmin
    72 sk_redirect_hash cmin
    73 lwt_push_encap cnin
    74 lwt_seg6_store_bytes cnin
    75 lwt_seg6_adjust_srh cnn
    76 lwt_seg6_action cnin
    77 rc_repeat c
    78 rc_keydown cnnn
    79 skb_cgroup_id c
    80 get_current_cgroup_id -
    81 get_local_storage mn value
    82 sk_select_reuseport cmin
    83 skb_ancestor_cgroup_id cn
    84 sk_lookup_tcp cinnn socket
    85 sk_lookup_udp cinnn socket
    86 sk_release a
    87 map_push_elem min
    88 map_pop_elem mo
    89 map_peek_elem mo
    90 msg_push_data cnnn
    91 msg_pop_data cnnn
    92 rc_pointer_rel cnn
    93 spin_lock i
    94 spin_unlock i
    95 sk_fullsock a socket
    96 tcp_sock a socket
    97 skb_ecn_set_ce c
    98 get_listener_sock a socket
    99 skc_lookup_tcp cinnn socket
    100 tcp_check_syncookie ainin
    101 sysctl_get_name conn
    102 sysctl_get_current_value con
    103 sysctl_get_new_value con
    104 sysctl_set_new_value cin
    105 strtol inno
    106 strtoul inno
    107 sk_storage_get main value
    108 sk_storage_delete ma
    109 send_signal n
    110 tcp_gen_syncookie ainin
    111 skb_output amnin
    112 probe_read_user ona
    113 probe_read_kernel ona
    114 probe_read_user_str ona
    115 probe_read_kernel_str ona
    116 tcp_send_ack an
    117 send_signal_thread n
    118 jiffies64 -
    119 read_branch_records conn
    120 get_ns_current_pid_tgid nnon
    121 xdp_output amnin
    122 get_netns_cookie a
    123 get_current_ancestor_cgroup_id n
    124 sk_assign can
    125 ktime_get_boot_ns -
    126 seq_printf ainin
    127 seq_write ain
    128 sk_cgroup_id a
    129 sk_ancestor_cgroup_id an
    130 ringbuf_output minn
    131 ringbuf_reserve mnn record
    132 ringbuf_submit rn
    133 ringbuf_discard rn
    134 ringbuf_query mn
    135 csum_level cn
    136 skc_to_tcp6_sock a typed
    137 skc_to_tcp_sock a typed
    138 skc_to_tcp_timewait_sock a typed
    139 skc_to_tcp_request_sock a typed
    140 skc_to_udp6_sock a typed
    141 get_task_stack aonn
    142 load_hdr_opt cinn
    143 store_hdr_opt cinn
    144 reserve_hdr_opt cnn
    145 inode_storage_get main value
    146 inode_storage_delete ma
    147 d_path aon
    148 copy_from_user ona
    149 snprintf_btf oninn
    150 seq_printf_btf ainn
    151 skb_cgroup_classid c
    152 redirect_neigh ninn
    153 per_cpu_ptr an kernel
    154 this_cpu_ptr a kernel
    155 redirect_peer nn
    156 task_storage_get main value
    157 task_storage_delete ma
    158 get_current_task_btf - typed
    159 bprm_opts_set an
    160 ktime_get_coarse_ns -
    161 ima_inode_hash aon
    162 sock_from_file a typed
    163 check_mtu cnonn
    164 for_each_map_elem mfon
    165 snprintf oniin
    166 sys_bpf nin
    167 btf_find_by_name_kind innn
    168 sys_close n
    169 timer_init imn
    170 timer_set_callback if
    171 timer_start inn
    172 timer_cancel i
    173 get_func_ip c
    174 get_attach_cookie c
    175 task_pt_regs a typed
    176 get_branch_snapshot onn
    177 trace_vprintk inin
    178 skc_to_unix_sock a typed
    179 kallsyms_lookup_name inno
    180 find_vma anfon
    181 loop nfon
    182 strncmp ini
    183 get_func_arg cno
    184 get_func_ret co
    185 get_func_arg_cnt c
    186 get_retval -
    187 set_retval n
    188 xdp_get_buff_len c
    189 xdp_load_bytes cnon
    190 xdp_store_bytes cnin
    191 copy_from_user_task onaan
    192 skb_set_tstamp cnn
    193 ima_file_hash aon
    194 kptr_xchg ia kernel
    195 map_lookup_percpu_elem min value
    196 skc_to_mptcp_sock a typed
    197 dynptr_from_mem inno
    198 ringbuf_reserve_dynptr mnno
    199 ringbuf_submit_dynptr in
    200 ringbuf_discard_dynptr in
    201 dynptr_read oninn
    202 dynptr_write ininn
    203 dynptr_data inn value
    204 tcp_raw_gen_syncookie_ipv4 iin
    205 tcp_raw_gen_syncookie_ipv6 iin
    206 tcp_raw_check_syncookie_ipv4 ii
    207 tcp_raw_check_syncookie_ipv6 ii
    208 ktime_get_tai_ns -
    209 user_ringbuf_drain mfon
    210 cgrp_storage_get main value
    211 cgrp_storage_delete ma
"""


def _table() -> dict[str, HelperInfo]:
    kinds = {kind.value[0]: kind for kind in Arg}
    found = {}
    for line in _ROWS.splitlines():
        if not line.strip():
            continue
        number, name, letters, *returns = line.split()
        args = tuple(kinds[letter] for letter in letters.strip("-"))
        result = Returns(returns[0]) if returns else Returns.NUMBER
        found[name] = HelperInfo(name, int(number), args, result)
    return found


HELPERS = _table()
"""Every helper that IR may call, by name without ``bpf_``."""
