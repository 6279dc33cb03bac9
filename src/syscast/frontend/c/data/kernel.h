/* Macros and inline functions of the kernel's headers, which BTF does not have, for programs that are written against those
 * headers. A macro is defined only in texts that name it, and not in those that define a function of that name themselves.
 * Numbers are in constants.tsv. What depends on the kernel is in compat.py. */

/* annotations: linux/compiler_types.h, compiler_attributes.h, init.h */
#define __user
#define __kernel
#define __iomem
#define __percpu
#define __rcu
#define __force
#define __bitwise
#define __nocast
#define __must_hold(x)
#define __acquires(x)
#define __releases(x)
#define __must_check
#define __maybe_unused
#define __always_unused
#define __used
#define __cold
#define __pure
#define __weak
#define __hidden
#define __visible
#define __init
#define __initdata
#define __exit
#define __read_mostly
#define __ro_after_init
#define __randomize_layout
#define __no_randomize_layout
#define __designated_init
#define __counted_by(member)
#define __attribute_const__
#define __always_inline inline
#define __inline inline
#define __inline__ inline
#define __noinline
#define noinline
#define notrace
#define asmlinkage
#define __packed __attribute__((packed))
#define __aligned(x) __attribute__((aligned(x)))
#define ____cacheline_aligned
#define ____cacheline_aligned_in_smp
#define fallthrough do {} while (0)
#define EXPORT_SYMBOL(symbol)
#define EXPORT_SYMBOL_GPL(symbol)
#define MODULE_LICENSE(text)

/* linux/stddef.h, compiler.h, kernel.h, minmax.h, container_of.h, math.h, bits.h */
#define NULL ((void *)0)
#define likely(x) (!!(x))
#define unlikely(x) (!!(x))
#define barrier() do { asm volatile("" : : : "memory"); } while (0)
#define barrier_var(var) asm volatile("" : "=r"(var) : "0"(var))
#define READ_ONCE(x) (x)
#define WRITE_ONCE(x, value) ((x) = (value))
#define ACCESS_ONCE(x) (x)
#define rcu_dereference(p) (p)
#define rcu_dereference_raw(p) (p)
#define rcu_dereference_check(p, condition) (p)
#define rcu_dereference_protected(p, condition) (p)
#define rcu_access_pointer(p) (p)
#define smp_load_acquire(p) (*(p))
#define data_race(x) (x)
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define container_of_const(ptr, type, member) container_of(ptr, type, member)
#define offsetofend(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define sizeof_field(type, member) sizeof(((type *)0)->member)
#define FIELD_SIZEOF(type, member) sizeof(((type *)0)->member)
#define typeof_member(type, member) typeof(((type *)0)->member)
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define min_t(type, a, b) ({ type __sc_a = (a); type __sc_b = (b); __sc_a < __sc_b ? __sc_a : __sc_b; })
#define max_t(type, a, b) ({ type __sc_a = (a); type __sc_b = (b); __sc_a > __sc_b ? __sc_a : __sc_b; })
#define min(a, b) ({ typeof(a) __sc_a = (a); typeof(b) __sc_b = (b); __sc_a < __sc_b ? __sc_a : __sc_b; })
#define max(a, b) ({ typeof(a) __sc_a = (a); typeof(b) __sc_b = (b); __sc_a > __sc_b ? __sc_a : __sc_b; })
#define min3(a, b, c) min(min(a, b), c)
#define max3(a, b, c) max(max(a, b), c)
#define clamp_t(type, value, low, high) min_t(type, max_t(type, value, low), high)
#define clamp(value, low, high) min(max(value, low), high)
#define swap(a, b) do { typeof(a) __sc_a = (a); (a) = (b); (b) = __sc_a; } while (0)
#define abs(x) ({ typeof(x) __sc_x = (x); __sc_x < 0 ? -__sc_x : __sc_x; })
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define DIV_ROUND_CLOSEST(n, d) (((n) + (d) / 2) / (d))
#define round_up(x, y) ((((x) - 1) | ((typeof(x))((y) - 1))) + 1)
#define round_down(x, y) ((x) & ~((typeof(x))((y) - 1)))
#define roundup(x, y) ((((x) + ((y) - 1)) / (y)) * (y))
#define rounddown(x, y) ((x) - ((x) % (y)))
#define ALIGN(x, a) (((x) + ((typeof(x))(a) - 1)) & ~((typeof(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((typeof(x))(a) - 1))
#define IS_ALIGNED(x, a) (((x) & ((typeof(x))(a) - 1)) == 0)
#define BIT(nr) (1UL << (nr))
#define BIT_ULL(nr) (1ULL << (nr))
#define BIT_MASK(nr) (1UL << ((nr) % 64))
#define BIT_WORD(nr) ((nr) / 64)
#define GENMASK(h, l) ((~0UL << (l)) & (~0UL >> (63 - (h))))
#define GENMASK_ULL(h, l) ((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define upper_32_bits(n) ((u32)((u64)(n) >> 32))
#define lower_32_bits(n) ((u32)(n))
#define BUILD_BUG_ON(condition) do {} while (0)
#define BUILD_BUG_ON_ZERO(condition) 0
#define WARN_ON(condition) (!!(condition))
#define WARN_ON_ONCE(condition) (!!(condition))
#define IS_ERR_VALUE(x) ((unsigned long)(void *)(x) >= (unsigned long)-4095)
#define IS_ERR(ptr) IS_ERR_VALUE(ptr)
#define IS_ERR_OR_NULL(ptr) (!(ptr) || IS_ERR_VALUE(ptr))
#define PTR_ERR(ptr) ((long)(ptr))
#define ERR_PTR(error) ((void *)(long)(error))
#define PTR_ERR_OR_ZERO(ptr) (IS_ERR(ptr) ? (int)PTR_ERR(ptr) : 0)
#define u64_to_user_ptr(x) ((void *)(unsigned long)(x))

/* linux/math64.h, asm-generic/div64.h */
#define div_u64(dividend, divisor) ((u64)(dividend) / (u32)(divisor))
#define div64_u64(dividend, divisor) ((u64)(dividend) / (u64)(divisor))
#define div64_ul(dividend, divisor) ((u64)(dividend) / (unsigned long)(divisor))
#define div_s64(dividend, divisor) ((s64)(dividend) / (s32)(divisor))
#define div64_s64(dividend, divisor) ((s64)(dividend) / (s64)(divisor))
#define do_div(n, base) ({ u32 __sc_base = (base); u32 __sc_rest = (u64)(n) % __sc_base; (n) = (u64)(n) / __sc_base; __sc_rest; })
#define mult_frac(x, n, d) ({ typeof(x) __sc_q = (x) / (d); typeof(x) __sc_r = (x) % (d); __sc_q * (n) + __sc_r * (n) / (d); })

/* linux/atomic.h, refcount.h, kref.h, ktime.h, jiffies: values, not operations */
#define atomic_read(v) ((v)->counter)
#define atomic_long_read(v) ((v)->counter)
#define atomic64_read(v) ((v)->counter)
#define refcount_read(r) ((r)->refs.counter)
#define kref_read(k) ((k)->refcount.refs.counter)
#define ktime_to_ns(kt) (kt)
#define ktime_to_us(kt) ((kt) / 1000)
#define ktime_to_ms(kt) ((kt) / 1000000)

/* asm-generic/page.h, linux/pfn.h */
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(address) ALIGN(address, PAGE_SIZE)
#define offset_in_page(p) ((unsigned long)(p) & ~PAGE_MASK)
#define PFN_PHYS(x) ((phys_addr_t)(x) << PAGE_SHIFT)
#define PFN_UP(x) (((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(x) ((x) >> PAGE_SHIFT)

/* linux/stat.h, kdev_t.h, fs.h, dcache.h, mount.h */
#define S_ISLNK(m) (((m) & S_IFMT) == S_IFLNK)
#define S_ISREG(m) (((m) & S_IFMT) == S_IFREG)
#define S_ISDIR(m) (((m) & S_IFMT) == S_IFDIR)
#define S_ISCHR(m) (((m) & S_IFMT) == S_IFCHR)
#define S_ISBLK(m) (((m) & S_IFMT) == S_IFBLK)
#define S_ISFIFO(m) (((m) & S_IFMT) == S_IFIFO)
#define S_ISSOCK(m) (((m) & S_IFMT) == S_IFSOCK)
#define MAJOR(dev) ((unsigned int)((dev) >> MINORBITS))
#define MINOR(dev) ((unsigned int)((dev) & MINORMASK))
#define MKDEV(ma, mi) (((ma) << MINORBITS) | (mi))
#define new_encode_dev(dev) ((MINOR(dev) & 0xff) | (MAJOR(dev) << 8) | ((MINOR(dev) & ~0xff) << 12))
#define file_inode(f) ((f)->f_inode)
#define file_dentry(f) ((f)->f_path.dentry)
#define d_inode(dentry) ((dentry)->d_inode)
#define d_backing_inode(dentry) ((dentry)->d_inode)
#define i_uid_read(inode) ((inode)->i_uid.val)
#define i_gid_read(inode) ((inode)->i_gid.val)
#define real_mount(mnt) container_of(mnt, struct mount, mnt)
#define IS_ROOT(x) ((x) == (x)->d_parent)

/* linux/sched.h, pid.h, cred.h, nsproxy.h */
#define task_pid_nr(task) ((task)->pid)
#define task_tgid_nr(task) ((task)->tgid)
#define task_pid(task) ((task)->thread_pid)
#define task_cred_xxx(task, member) ((task)->real_cred->member)
#define task_nice(task) ((task)->static_prio - DEFAULT_PRIO)
#define thread_group_leader(task) ((task)->exit_signal >= 0)

/* linux/list.h, rbtree.h */
#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(ptr, type, member) container_of((ptr)->next, type, member)
#define list_last_entry(ptr, type, member) container_of((ptr)->prev, type, member)
#define list_next_entry(pos, member) container_of((pos)->member.next, typeof(*(pos)), member)
#define list_prev_entry(pos, member) container_of((pos)->member.prev, typeof(*(pos)), member)
#define list_empty(head) ((head)->next == (head))
#define hlist_entry(ptr, type, member) container_of(ptr, type, member)
#define hlist_empty(head) (!(head)->first)
#define rb_entry(ptr, type, member) container_of(ptr, type, member)

/* linux/skbuff.h, ip.h, tcp.h, udp.h, ipv6.h, if_ether.h, if_vlan.h */
#define skb_headlen(skb) ((skb)->len - (skb)->data_len)
#define skb_is_nonlinear(skb) ((skb)->data_len)
#define skb_mac_header(skb) ((skb)->head + (skb)->mac_header)
#define skb_network_header(skb) ((skb)->head + (skb)->network_header)
#define skb_transport_header(skb) ((skb)->head + (skb)->transport_header)
#define skb_inner_network_header(skb) ((skb)->head + (skb)->inner_network_header)
#define skb_inner_transport_header(skb) ((skb)->head + (skb)->inner_transport_header)
#define skb_network_offset(skb) (skb_network_header(skb) - (skb)->data)
#define skb_transport_offset(skb) (skb_transport_header(skb) - (skb)->data)
#define skb_network_header_len(skb) ((skb)->transport_header - (skb)->network_header)
#define skb_mac_header_was_set(skb) ((skb)->mac_header != (typeof((skb)->mac_header))~0U)
#define skb_transport_header_was_set(skb) ((skb)->transport_header != (typeof((skb)->transport_header))~0U)
#define skb_end_pointer(skb) ((skb)->head + (skb)->end)
#define skb_tail_pointer(skb) ((skb)->head + (skb)->tail)
#define skb_shinfo(skb) ((struct skb_shared_info *)skb_end_pointer(skb))
#define skb_rx_queue_recorded(skb) ((skb)->queue_mapping != 0)
#define skb_get_rx_queue(skb) ((skb)->queue_mapping - 1)
#define skb_get_queue_mapping(skb) ((skb)->queue_mapping)
#define skb_dst(skb) ((struct dst_entry *)((skb)->_skb_refdst & ~1UL))
#define eth_hdr(skb) ((struct ethhdr *)skb_mac_header(skb))
#define ip_hdr(skb) ((struct iphdr *)skb_network_header(skb))
#define ipv6_hdr(skb) ((struct ipv6hdr *)skb_network_header(skb))
#define arp_hdr(skb) ((struct arphdr *)skb_network_header(skb))
#define tcp_hdr(skb) ((struct tcphdr *)skb_transport_header(skb))
#define udp_hdr(skb) ((struct udphdr *)skb_transport_header(skb))
#define icmp_hdr(skb) ((struct icmphdr *)skb_transport_header(skb))
#define icmp6_hdr(skb) ((struct icmp6hdr *)skb_transport_header(skb))
#define tcp_hdrlen(skb) (tcp_hdr(skb)->doff * 4)
#define ip_hdrlen(skb) (ip_hdr(skb)->ihl * 4)
#define tcp_flag_byte(th) (((u8 *)(th))[13])
#define TCP_SKB_CB(skb) ((struct tcp_skb_cb *)&((skb)->cb[0]))
#define IPCB(skb) ((struct inet_skb_parm *)((skb)->cb))
#define dev_net(dev) ((dev)->nd_net.net)
#define read_pnet(pnet) ((pnet)->net)

/* net/sock.h, inet_sock.h, inet_connection_sock.h, tcp.h, udp.h, af_unix.h: the sockets begin with one another */
#define inet_sk(sk) ((struct inet_sock *)(sk))
#define inet_csk(sk) ((struct inet_connection_sock *)(sk))
#define tcp_sk(sk) ((struct tcp_sock *)(sk))
#define udp_sk(sk) ((struct udp_sock *)(sk))
#define raw_sk(sk) ((struct raw_sock *)(sk))
#define unix_sk(sk) ((struct unix_sock *)(sk))
#define nlk_sk(sk) ((struct netlink_sock *)(sk))
#define pkt_sk(sk) ((struct packet_sock *)(sk))
#define vsock_sk(sk) ((struct vsock_sock *)(sk))
#define mptcp_sk(sk) ((struct mptcp_sock *)(sk))
#define inet_twsk(sk) ((struct inet_timewait_sock *)(sk))
#define tcp_twsk(sk) ((struct tcp_timewait_sock *)(sk))
#define inet_reqsk(sk) ((struct request_sock *)(sk))
#define inet_rsk(req) ((struct inet_request_sock *)(req))
#define tcp_rsk(req) ((struct tcp_request_sock *)(req))
#define inet6_sk(sk) (((struct inet_sock *)(sk))->pinet6)
#define inet_csk_ca(sk) ((void *)((struct inet_connection_sock *)(sk))->icsk_ca_priv)
#define sock_net(sk) ((sk)->__sk_common.skc_net.net)
#define tcp_snd_cwnd(tp) ((tp)->snd_cwnd)
#define tcp_in_slow_start(tp) ((tp)->snd_cwnd < (tp)->snd_ssthresh)
#define tcp_packets_in_flight(tp) ((tp)->packets_out - ((tp)->sacked_out + (tp)->lost_out) + (tp)->retrans_out)
#define tcp_left_out(tp) ((tp)->sacked_out + (tp)->lost_out)
#define ipv6_addr_v4mapped(a) (((a)->in6_u.u6_addr32[0] | (a)->in6_u.u6_addr32[1] | ((a)->in6_u.u6_addr32[2] ^ 0xffff0000)) == 0)
#define ipv6_addr_any(a) (((a)->in6_u.u6_addr32[0] | (a)->in6_u.u6_addr32[1] | (a)->in6_u.u6_addr32[2] | (a)->in6_u.u6_addr32[3]) == 0)

/* linux/scatterlist.h, mm_types.h, slab.h, bio.h, blkdev.h */
#define sg_is_chain(sg) ((sg)->page_link & 1UL)
#define sg_is_last(sg) ((sg)->page_link & 2UL)
#define sg_chain_ptr(sg) ((struct scatterlist *)((sg)->page_link & ~3UL))
#define sg_page(sg) ((struct page *)((sg)->page_link & ~3UL))
#define sg_next(sg) (sg_is_last(sg) ? (struct scatterlist *)0 : sg_is_chain((sg) + 1) ? sg_chain_ptr((sg) + 1) : (sg) + 1)
#define folio_page(folio, n) (&(folio)->page + (n))
#define bio_op(bio) ((bio)->bi_opf & REQ_OP_MASK)
#define req_op(req) ((req)->cmd_flags & REQ_OP_MASK)
#define blk_rq_pos(rq) ((rq)->__sector)
#define blk_rq_bytes(rq) ((rq)->__data_len)
#define blk_rq_sectors(rq) ((rq)->__data_len >> 9)
#define op_is_write(op) ((op) & 1)
#define bio_data_dir(bio) ((bio)->bi_opf & 1)
#define rq_data_dir(rq) ((rq)->cmd_flags & 1)
#define dev_name(dev) ((dev)->init_name ? (dev)->init_name : (dev)->kobj.name)
