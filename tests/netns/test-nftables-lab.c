// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/netns/test-nftables-lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/netns.h"

#define DEADLINE_MSEC 10000
#define SENTINEL_TYPE 0x88b5 /* IEEE 802: for local experiments */

static const char *const near_names[] = { "up0", "tun0", "box0", "lo" };
static const char *const far_names[] = { "up1", "tun1", "box1", NULL };

static void on_changes(const FactChange *changes, size_t n, void *userdata) {
        Lab *lab = userdata;

        for (size_t i = 0; i < n; i++) {
                if (changes[i].removed)
                        (void)fact_set_remove(&lab->observed, &changes[i].fact);
                else
                        g_assert_cmpint(fact_set_put(&lab->observed, &changes[i].fact), ==, 0);
        }
        lab->last = changes[n - 1];
        lab->n_changes += n;
}

static void on_resync(uint32_t kinds, FactSet *facts, void *userdata) {
        Lab *lab = userdata;

        g_assert_cmpint(fact_set_copy(&lab->observed, facts), ==, 0);
        lab->n_resyncs++;
}

static int open_far(const char *name) {
        struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
        int size = 8 * 1024 * 1024;
        int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));

        g_assert_cmpint(fd, >=, 0);
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        address.sll_ifindex = (int)netns_ifindex(name);
        g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        return fd;
}

/* Veth hands frames over on the CPU of the sender; on one CPU they stay in order. */
static void stay_on_one_cpu(void) {
        cpu_set_t cpus;

        CPU_ZERO(&cpus);
        CPU_SET((unsigned)sched_getcpu(), &cpus);
        (void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void make_links(void) {
        netns_sysctl("ipv6/conf/default/accept_dad", "0");
        netns_sysctl("ipv6/conf/default/addr_gen_mode", "1");
        netns_sysctl("ipv6/conf/default/accept_ra", "0");
        netns_ip("link set lo up");
        for (LabLink link = LAB_UP; link < LAB_LO; link++) {
                netns_ip("link add %s type veth peer name %s", near_names[link], far_names[link]);
                netns_ip("link set %s up arp on", near_names[link]);
                netns_ip("link set %s up", far_names[link]);
                netns_ip("address add 10.77.%d.%d/24 dev %s", link + 1, link == LAB_BOX ? 1 : 2,
                        near_names[link]);
                netns_ip("address add fd77:%d::%d/64 dev %s nodad", link + 1,
                        link == LAB_BOX ? 1 : 2, near_names[link]);
                /* Nobody lives at this address: the stack behind the far end drops the frames. */
                netns_ip("neighbour add 10.77.%d.%d lladdr 02:00:00:00:00:99 dev %s", link + 1,
                        link == LAB_BOX ? 2 : 1, near_names[link]);
                netns_ip("neighbour add fd77:%d::%d lladdr 02:00:00:00:00:99 dev %s", link + 1,
                        link == LAB_BOX ? 2 : 1, near_names[link]);
        }
        netns_ip("neighbour add fe80::99 lladdr 02:00:00:00:00:99 dev up0");
        netns_ip("route add default via 10.77.1.1");
        netns_ip("route add default via fd77:1::1");
        netns_ip("route add 10.99.0.0/16 via 10.77.2.1");
        netns_ip("route add fd99::/16 via fd77:2::1");
        netns_sysctl("ipv4/ip_forward", "1");
        netns_sysctl("ipv6/conf/all/forwarding", "1");
}

static bool set_up(Lab *lab, NftablesMechanism mechanism) {
        *lab = (Lab){ .observed = FACT_SET_INIT, .far = { -1, -1, -1, -1 } };
        if (!netns_enter())
                return false;
        stay_on_one_cpu();
        make_links();
        for (LabLink link = LAB_UP; link < LAB_LO; link++)
                lab->far[link] = open_far(far_names[link]);
        g_assert_cmpint(sd_event_new(&lab->event), >=, 0);
        g_assert_cmpint(nftables_new(lab->event, mechanism, &lab->backend), ==, 0);
        lab_listen(lab);
        g_assert_cmpint(lab->backend->interface->resync(lab->backend), ==, 0);
        return true;
}

static void tear_down(Lab *lab) {
        for (LabLink link = LAB_UP; link < LAB_LO; link++)
                lab->far[link] = fd_close(lab->far[link]);
        lab->backend = nftables_free(lab->backend);
        lab->event = sd_event_unref(lab->event);
        fact_set_clear(&lab->observed);
}

void lab_listen(Lab *lab) {
        lab->backend->sink = (BackendSink){ on_changes, on_resync, lab };
}

void lab_settle(Lab *lab) {
        while (sd_event_run(lab->event, 0) > 0)
                ;
}

typedef struct LabTest {
        NftablesMechanism mechanism;
        void (*test)(Lab *lab);
} LabTest;

static void run_test(const void *data) {
        const LabTest *test = data;
        Lab lab;

        if (set_up(&lab, test->mechanism))
                test->test(&lab);
        tear_down(&lab);
}

void lab_test_add(const char *path, NftablesMechanism mechanism, void (*test)(Lab *lab)) {
        LabTest *data = g_new(LabTest, 1);

        *data = (LabTest){ mechanism, test };
        g_test_add_data_func_full(path, data, (GTestDataFunc)run_test, g_free);
}

Fact lab_base(uint32_t flags) {
        return (Fact){ .kind = FACT_FILTER,
                .filter = { .kind = FILTER_BASE,
                        .flags = flags,
                        .mark = LAB_MARK,
                        .included = LAB_INCLUDED,
                        .mask = LAB_MASK } };
}

Fact lab_name(FilterKind kind, const char *name) {
        Fact fact = { .kind = FACT_FILTER, .filter = { .kind = kind } };

        g_strlcpy(fact.filter.name, name, sizeof(fact.filter.name));
        return fact;
}

Fact lab_prefix(FilterKind kind, const char *prefix) {
        Fact fact = { .kind = FACT_FILTER, .filter = { .kind = kind } };

        g_assert_cmpint(prefix_parse(prefix, &fact.filter.prefix), ==, 0);
        return fact;
}

Fact lab_user(uint32_t uid) {
        return (Fact){ .kind = FACT_FILTER, .filter = { .kind = FILTER_USER, .number = uid } };
}

Fact lab_group(uint64_t id, uint32_t level, uint32_t mark, bool resolves) {
        return (Fact){ .kind = FACT_MARKED_GROUP,
                .marked_group = { id, level, mark, LAB_MASK, resolves } };
}

Fact lab_known(uint64_t id, uint32_t level, bool is_above) {
        return (Fact){ .kind = FACT_KNOWN_GROUP,
                .known_group = { id, level, is_above, is_above ? LAB_INCLUDED : 0,
                        is_above ? LAB_MASK : 0, false, false } };
}

Fact lab_resolver(const char *address) {
        Fact fact = { .kind = FACT_RESOLVER };

        g_assert_cmpint(address_parse(address, &fact.resolver.address), ==, 0);
        return fact;
}

void lab_write(Lab *lab, const Fact *facts, size_t n) {
        g_autofree Operation *operations = g_new0(Operation, n);
        g_autofree Fault *faults = g_new0(Fault, n);

        for (size_t i = 0; i < n; i++)
                operations[i] = (Operation){ OPERATION_REPLACE, facts[i], facts[i] };
        (void)lab->backend->interface->apply(lab->backend, operations, n, faults);
        for (size_t i = 0; i < n; i++)
                g_assert_cmpstr(faults[i].text, ==, "");
}

void lab_remove(Lab *lab, const Fact *fact) {
        Operation operation = { .verb = OPERATION_REMOVE, .fact = *fact };
        Fault fault;

        (void)lab->backend->interface->apply(lab->backend, &operation, 1, &fault);
        g_assert_cmpstr(fault.text, ==, "");
}

/* Addresses. */

static socklen_t fill_address(struct sockaddr_storage *ret, const char *text, uint16_t port) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

        memset(ret, 0, sizeof(*ret));
        if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
                in->sin_family = AF_INET;
                in->sin_port = htons(port);
                return sizeof(*in);
        }
        g_assert_cmpint(inet_pton(AF_INET6, text, &in6->sin6_addr), ==, 1);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&in6->sin6_addr))
                in6->sin6_scope_id = if_nametoindex("up0");
        return sizeof(*in6);
}

static bool is_ipv4(const char *text) {
        return !strchr(text, ':');
}

static int wire_protocol(const LabPacket *packet) {
        if (packet->protocol == IPPROTO_ICMP && !is_ipv4(packet->to))
                return IPPROTO_ICMPV6;
        return packet->protocol;
}

static uint32_t add_up(const void *data, size_t size, uint32_t sum) {
        const uint8_t *bytes = data;

        for (size_t i = 0; i < size; i++)
                sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
        return sum;
}

static uint16_t fold(uint32_t sum) {
        while (sum >> 16)
                sum = (sum & 0xffff) + (sum >> 16);
        return htons((uint16_t)~sum);
}

int lab_socket(const LabPacket *packet) {
        int family = is_ipv4(packet->to) ? AF_INET : AF_INET6;
        int type = packet->protocol == IPPROTO_TCP   ? SOCK_STREAM
                   : packet->protocol == IPPROTO_UDP ? SOCK_DGRAM
                                                     : SOCK_RAW;
        struct sockaddr_storage address;
        int on = 1, fd;

        if (packet->uid)
                g_assert_cmpint(seteuid(packet->uid), ==, 0);
        fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, wire_protocol(packet));
        if (packet->uid)
                g_assert_cmpint(seteuid(0), ==, 0);
        g_assert_cmpint(fd, >=, 0);
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
        if (packet->mark)
                g_assert_cmpint(
                        setsockopt(fd, SOL_SOCKET, SO_MARK, &packet->mark, sizeof(packet->mark)),
                        ==, 0);
        if (packet->from || packet->from_port) {
                const char *any = family == AF_INET ? "0.0.0.0" : "::";
                socklen_t length = fill_address(
                        &address, packet->from ? packet->from : any, packet->from_port);

                g_assert_cmpint(bind(fd, (struct sockaddr *)&address, length), ==, 0);
        }
        return fd;
}

int lab_send_from(int fd, const LabPacket *packet) {
        bool is_raw = packet->protocol == IPPROTO_ICMP;
        struct icmphdr icmp = { .type = packet->icmp_type, .un.echo.id = htons(packet->port) };
        struct sockaddr_storage address;
        socklen_t length = fill_address(&address, packet->to, is_raw ? 0 : packet->port);
        int r;

        if (is_raw && is_ipv4(packet->to))
                icmp.checksum = fold(add_up(&icmp, sizeof(icmp), 0));
        if (packet->protocol == IPPROTO_TCP)
                r = connect(fd, (struct sockaddr *)&address, length);
        else
                r = (int)sendto(fd, &icmp, sizeof(icmp), 0, (struct sockaddr *)&address, length);
        return r < 0 && errno != EINPROGRESS ? -errno : 0;
}

int lab_send(const LabPacket *packet) {
        int fd = lab_socket(packet);
        int r = lab_send_from(fd, packet);

        (void)close(fd);
        return r;
}

/* Frames. */

static bool parse_frame(const uint8_t *bytes, size_t size, LabFrame *ret) {
        const struct ether_header *ether = (const void *)bytes;
        const uint8_t *transport;
        size_t offset;

        *ret = (LabFrame){ 0 };
        if (ntohs(ether->ether_type) == ETHERTYPE_IP) {
                struct iphdr ip;

                memcpy(&ip, ether + 1, sizeof(ip)); /* at an odd place behind 14 bytes */
                ret->protocol = ip.protocol;
                offset = sizeof(*ether) + ip.ihl * 4u;
                (void)inet_ntop(AF_INET, &ip.saddr, ret->from, sizeof(ret->from));
                (void)inet_ntop(AF_INET, &ip.daddr, ret->to, sizeof(ret->to));
        } else if (ntohs(ether->ether_type) == ETHERTYPE_IPV6) {
                struct ip6_hdr ip;

                memcpy(&ip, ether + 1, sizeof(ip));
                ret->protocol = ip.ip6_nxt;
                offset = sizeof(*ether) + sizeof(ip);
                (void)inet_ntop(AF_INET6, &ip.ip6_src, ret->from, sizeof(ret->from));
                (void)inet_ntop(AF_INET6, &ip.ip6_dst, ret->to, sizeof(ret->to));
        } else
                return false;
        if (offset + 8 > size)
                return true;
        transport = bytes + offset;
        ret->icmp_type = transport[0];
        ret->from_port = (uint16_t)(transport[0] << 8 | transport[1]);
        ret->port = (uint16_t)(transport[2] << 8 | transport[3]);
        if (ret->protocol == IPPROTO_TCP && offset + 20 <= size) {
                uint32_t be_sequence;

                memcpy(&be_sequence, transport + 4, sizeof(be_sequence));
                ret->sequence = ntohl(be_sequence);
                ret->tcp_flags = transport[13];
        }
        return true;
}

/* Packet sockets pass by the guard: this frame always arrives, behind all that was sent. */
static void send_sentinel(LabLink link) {
        struct sockaddr_ll address = { .sll_family = AF_PACKET,
                .sll_protocol = htons(SENTINEL_TYPE) };
        struct ether_header frame = { .ether_dhost = { 2, [5] = 0x99 },
                .ether_type = htons(SENTINEL_TYPE) };
        int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

        g_assert_cmpint(fd, >=, 0);
        address.sll_ifindex = (int)netns_ifindex(near_names[link]);
        g_assert_cmpint(
                sendto(fd, &frame, sizeof(frame), 0, (struct sockaddr *)&address, sizeof(address)),
                ==, sizeof(frame));
        (void)close(fd);
}

bool lab_read(Lab *lab, LabLink link, int protocol, uint16_t port, LabFrame *ret) {
        bool found = false;

        send_sentinel(link);
        for (;;) {
                struct pollfd ready = { .fd = lab->far[link], .events = POLLIN };
                uint8_t bytes[2048];
                LabFrame frame;
                struct sockaddr_ll from;
                socklen_t length = sizeof(from);
                ssize_t n;

                g_assert_cmpint(poll(&ready, 1, DEADLINE_MSEC), ==, 1);
                n = recvfrom(
                        lab->far[link], bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &length);
                if (n < (ssize_t)sizeof(struct ether_header) || from.sll_pkttype == PACKET_OUTGOING)
                        continue;
                if (((struct ether_header *)bytes)->ether_type == htons(SENTINEL_TYPE))
                        return found;
                if (found || !parse_frame(bytes, (size_t)n, &frame) || frame.protocol != protocol)
                        continue;
                if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6 ? frame.icmp_type != port
                                                                           : frame.port != port)
                        continue;
                found = true;
                if (ret)
                        *ret = frame;
        }
}

LabLink lab_way_of(Lab *lab, const LabPacket *packet) {
        int fd = lab_socket(packet);
        LabLink way = LAB_NOWHERE;

        (void)lab_send_from(fd, packet); /* EPERM when the guard drops it */
        for (LabLink link = LAB_UP; link < LAB_LO; link++)
                if (lab_read(lab, link, wire_protocol(packet),
                            packet->protocol == IPPROTO_ICMP ? packet->icmp_type : packet->port,
                            NULL))
                        way = link;
        (void)close(fd);
        return way;
}

static size_t fill_transport(uint8_t *to, const LabPacket *packet, uint8_t tcp_flags) {
        if (packet->protocol == IPPROTO_TCP) {
                struct tcphdr header = { .source = htons(packet->from_port),
                        .dest = htons(packet->port),
                        .seq = htonl(1000),
                        .ack_seq = htonl(packet->acked),
                        .doff = 5,
                        .window = htons(1000) };

                memcpy(to, &header, sizeof(header));
                to[13] = tcp_flags;
                return sizeof(header);
        }
        if (packet->protocol == IPPROTO_UDP) {
                struct udphdr header = { .source = htons(packet->from_port),
                        .dest = htons(packet->port),
                        .len = htons(sizeof(header)) };

                memcpy(to, &header, sizeof(header));
                return sizeof(header);
        }
        memset(to, 0, 8);
        to[0] = packet->icmp_type;
        return 8;
}

static void put_checksum(uint8_t *transport, int protocol, uint16_t sum) {
        size_t at = protocol == IPPROTO_TCP ? 16 : protocol == IPPROTO_UDP ? 6 : 2;

        memcpy(transport + at, &sum, sizeof(sum));
}

void lab_inject(Lab *lab, LabLink link, const LabPacket *packet, uint8_t tcp_flags) {
        uint8_t bytes[256] = { 0 };
        struct ether_header *ether = (void *)bytes;
        uint8_t *network = bytes + sizeof(*ether);
        int protocol = wire_protocol(packet);
        size_t header = is_ipv4(packet->to) ? 20 : 40;
        uint8_t *transport = network + header;
        size_t size = fill_transport(transport, packet, tcp_flags);
        uint32_t sum = (uint32_t)protocol + (uint32_t)size;
        struct ifreq request = { 0 };
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        g_strlcpy(request.ifr_name, near_names[link], IFNAMSIZ);
        g_assert_cmpint(ioctl(fd, SIOCGIFHWADDR, &request), ==, 0);
        (void)close(fd);
        memcpy(ether->ether_dhost, request.ifr_hwaddr.sa_data, 6);
        ether->ether_shost[0] = 2;
        ether->ether_shost[5] = 0x99;

        if (header == 20) {
                struct iphdr ip = { .version = 4,
                        .ihl = 5,
                        .ttl = 64,
                        .protocol = (uint8_t)protocol,
                        .tot_len = htons((uint16_t)(header + size)) };

                ether->ether_type = htons(ETHERTYPE_IP);
                (void)inet_pton(AF_INET, packet->from, &ip.saddr);
                (void)inet_pton(AF_INET, packet->to, &ip.daddr);
                ip.check = fold(add_up(&ip, sizeof(ip), 0));
                memcpy(network, &ip, sizeof(ip));
                if (protocol != IPPROTO_ICMP)
                        sum = add_up(network + 12, 8, sum);
                else
                        sum = 0;
        } else {
                struct ip6_hdr ip = { .ip6_flow = htonl(0x60000000),
                        .ip6_plen = htons((uint16_t)size),
                        .ip6_nxt = (uint8_t)protocol,
                        .ip6_hlim = 64 };

                ether->ether_type = htons(ETHERTYPE_IPV6);
                (void)inet_pton(AF_INET6, packet->from, &ip.ip6_src);
                (void)inet_pton(AF_INET6, packet->to, &ip.ip6_dst);
                memcpy(network, &ip, sizeof(ip));
                sum = add_up(network + 8, 32, sum);
        }
        put_checksum(transport, protocol, fold(add_up(transport, size, sum)));
        size += sizeof(*ether) + header;
        g_assert_cmpint(send(lab->far[link], bytes, size, 0), ==, (ssize_t)size);
}

bool lab_has_nft(void) {
        g_autofree char *path = g_find_program_in_path("nft");

        if (!path)
                g_test_skip("no nft here");
        return path;
}

char *lab_nft(const char *format, ...) {
        g_autofree char *arguments = NULL, *line = NULL, *err = NULL;
        g_auto(GStrv) argv = NULL;
        g_autoptr(GError) error = NULL;
        char *out = NULL;
        int status;
        va_list args;

        va_start(args, format);
        arguments = g_strdup_vprintf(format, args);
        va_end(args);
        line = g_strconcat("nft ", arguments, NULL);
        g_assert_true(g_shell_parse_argv(line, NULL, &argv, NULL));
        (void)g_spawn_sync(
                NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, &error);
        g_assert_no_error(error);
        if (!g_spawn_check_wait_status(status, NULL))
                g_error("`%s`: %s", line, err);
        return out;
}

void lab_wait_for_report(Lab *lab) {
        gint64 deadline = g_get_monotonic_time() + DEADLINE_MSEC * 1000;
        unsigned before = lab->n_changes + lab->n_resyncs;

        while (lab->n_changes + lab->n_resyncs == before) {
                gint64 left = deadline - g_get_monotonic_time();

                g_assert_cmpint(left, >, 0);
                g_assert_cmpint(sd_event_run(lab->event, (uint64_t)left), >=, 0);
        }
}
