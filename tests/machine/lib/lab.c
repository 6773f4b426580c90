// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/lab.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/agent.h"
#include "tests/machine/lib/descriptor.h"

/* Keys of this lab, worth nothing elsewhere. */
#define RELAY_PRIVATE_KEY "6F7WwLZP1N+HU0kxDecZBHLR7JQyuo/DK4s/q3ZaN3M="
#define RELAY_PUBLIC_KEY "PtRA6X1r8FCDijWTAW9O+RPupRYWgC93cc0u+FapC2s="
#define CLIENT_PRIVATE_KEY "cPn9Ah2EC6kqIZAhvMvHnUz6ksYUuUGpDOYf08RVL1g="
#define CLIENT_PUBLIC_KEY "doC5MmRaBc7szKPcXLQ4DUJT9VadDRqk7STKQp5j8AU="

typedef struct Isp {
        const char *public_v4, *public_v6;
        const char *network_v4; /* first three bytes of a /24 */
        const char *network_v6; /* a /64 without its "::" */
} Isp;

struct Lab {
        int agent_fd;
        int netns_fds[LAB_N_SPACES];
        char *dhcp_option[LAB_N_SPACES];
        char *network[LAB_N_SPACES];
};

static const char *const space_names[LAB_N_SPACES] = {
        [LAB_MACHINE] = "machine",
        [LAB_ISP0] = "isp0",
        [LAB_ISP1] = "isp1",
        [LAB_INTERNET] = "internet",
        [LAB_RELAY] = "relay",
};

static const Isp isps[LAB_N_SPACES] = {
        [LAB_ISP0] = { LAB_ISP0_V4, LAB_ISP0_V6, "192.168.10", "2001:db8:10" },
        [LAB_ISP1] = { LAB_ISP1_V4, LAB_ISP1_V6, "192.168.20", "2001:db8:20" },
};

/* Addresses are usable at once: nobody else is there to have the same. */
#define QUICK_ADDRESSES                                                                            \
        "for conf in all default; do"                                                              \
        "  echo 0 >/proc/sys/net/ipv6/conf/$conf/accept_dad;"                                      \
        "done\n"                                                                                   \
        "ip link set lo up\n"

static const char internet_script[] =
        QUICK_ADDRESSES "ip address add " LAB_INTERNET_V4 "/32 dev lo\n"
                        "ip address add " LAB_INTERNET_V6 "/128 dev lo\n"
                        "for peer in isp0 isp1 relay; do\n"
                        "  ip link add $peer type veth peer name world netns $peer\n"
                        "  ip link set $peer up\n"
                        "  ip address add 203.0.113.1/32 dev $peer\n"
                        "  ip address add 2001:db8:f00::1/128 dev $peer\n"
                        "done\n"
                        "ip route add " LAB_ISP0_V4 " dev isp0\n"
                        "ip route add " LAB_ISP0_V6 " dev isp0\n"
                        "ip route add " LAB_ISP1_V4 " dev isp1\n"
                        "ip route add " LAB_ISP1_V6 " dev isp1\n"
                        "ip route add " LAB_RELAY_V4 " dev relay\n"
                        "ip route add " LAB_RELAY_V6 " dev relay\n"
                        "ip -n isp0 link add lan type veth peer name wan0 netns machine\n"
                        "ip -n isp1 link add lan type veth peer name wan1 netns machine\n"
                        /* A router between the customers of both ISPs. */
                        "echo 1 >/proc/sys/net/ipv4/ip_forward\n"
                        "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding\n";

static const char machine_script[] = QUICK_ADDRESSES
        "for link in wan0 wan1; do echo 0 >/proc/sys/net/ipv6/conf/$link/accept_dad; done\n";

/* $1 and $2 are the public addresses. */
static const char world_script[] = QUICK_ADDRESSES
        "echo 0 >/proc/sys/net/ipv6/conf/world/accept_dad\n"
        "ip address add $1/32 dev world\n"
        "ip address add $2/128 dev world\n"
        "ip link set world up\n"
        "ip route add 203.0.113.1 dev world\n"
        "ip route add default via 203.0.113.1\n"
        "ip route add 2001:db8:f00::1 dev world\n"
        "ip route add default via 2001:db8:f00::1\n"
        "echo 1 >/proc/sys/net/ipv4/ip_forward\n"
        "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding\n"
        "nft add table inet lab\n"
        "nft add chain inet lab out '{ type nat hook postrouting priority srcnat; }'\n"
        "nft add rule inet lab out oifname world masquerade\n";

/* $1 and $2 are the addresses on the customers' side. */
static const char lan_script[] = "echo 0 >/proc/sys/net/ipv6/conf/lan/accept_dad\n"
                                 "ip link set lan up\n"
                                 "ip address replace $1/24 dev lan\n"
                                 "ip address replace $2/64 dev lan\n";

/* wireguard-go warns and leaves where the kernel could have its own module. */
#define START_WIREGUARD "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 wireguard-go $1\n"

/* $1 is the device, $2 and $3 its addresses with length, $4 wg's configuration. */
static const char tunnel_script[] =
        START_WIREGUARD "printf '%s' \"$4\" | wg setconf $1 /dev/stdin\n"
                        "ip address add $2 dev $1\n"
                        "ip address add $3 dev $1 nodad\n"
                        "ip link set $1 mtu 1420 up\n"
                        /* The kernel takes addresses into use from a queue of its own. */
                        "while ip -6 address show dev $1 tentative | grep -q inet6; do :; done\n";

/* Until wireguard-go is done with it, a device of the same name cannot be made. */
static const char tunnel_end_script[] =
        "ip link delete $1\n"
        "while ss --no-header --unix --listening | grep -Fq /wireguard/$1.sock; do :; done\n";

static const char relay_config[] =
        "[Interface]\nPrivateKey = " RELAY_PRIVATE_KEY
        "\nListenPort = " G_STRINGIFY(LAB_RELAY_PORT) "\n"
                                                      "[Peer]\nPublicKey = " CLIENT_PUBLIC_KEY "\n"
                                                      "AllowedIPs = " LAB_TUNNEL_CLIENT_V4
                                                      "/32, " LAB_TUNNEL_CLIENT_V6 "/128\n";

static const char client_config[] =
        "[Interface]\nPrivateKey = " CLIENT_PRIVATE_KEY "\nFwMark = %u\n"
        "[Peer]\nPublicKey = " RELAY_PUBLIC_KEY "\nEndpoint = " LAB_RELAY_V4
        ":" G_STRINGIFY(LAB_RELAY_PORT) "\n"
                                        "AllowedIPs = 0.0.0.0/0, ::/0\n";

static int result_check(int r, const CommandResult *result, const char *what) {
        if (r < 0) {
                g_printerr("%s: %s\n", what, g_strerror(-r));
                return r;
        }
        if (result->status == 0)
                return 0;
        g_printerr("%s: exit status %d\n%s%s", what, result->status, result->out, result->err);
        return -EREMOTEIO;
}

static int lab_run_argv(Lab *lab, LabSpace space, const char *const *argv) {
        g_auto(CommandResult) result = {};
        int r;

        r = agent_run(lab->agent_fd, lab->netns_fds[space], argv, &result);
        return result_check(r, &result, argv[0]);
}

/* The script's arguments follow, ended by NULL. */
#define LAB_SCRIPT(lab, space, script, ...)                                                        \
        lab_run_argv(lab, space,                                                                   \
                (const char *const[]){ "sh", "-euc", script, "sh", ##__VA_ARGS__, NULL })

static bool space_is_isp(LabSpace space) {
        return space == LAB_ISP0 || space == LAB_ISP1;
}

static char *pidfile_name(LabSpace space, const char *daemon) {
        return g_strdup_printf("/run/lab/%s-%s.pid", space_names[space], daemon);
}

/* A daemon of dnsmasq has bound its sockets when the command returns. */
static int dnsmasq_start(Lab *lab, LabSpace space, const char *daemon, GPtrArray *options) {
        g_autofree char *pidfile = pidfile_name(space, daemon);
        g_autofree char *pidfile_option = g_strconcat("--pid-file=", pidfile, NULL);
        g_autofree char *log_option =
                g_strdup_printf("--log-facility=/run/lab/%s-%s.log", space_names[space], daemon);
        const char *const common[] = { "dnsmasq", "--conf-file=/dev/null", "--user=root",
                "--group=root", "--no-hosts", "--no-resolv", pidfile_option, log_option };
        g_autoptr(GPtrArray) argv = g_ptr_array_new();

        for (size_t i = 0; i < G_N_ELEMENTS(common); i++)
                g_ptr_array_add(argv, (char *)common[i]);
        for (guint i = 0; i < options->len; i++)
                g_ptr_array_add(argv, options->pdata[i]);
        g_ptr_array_add(argv, NULL);
        return lab_run_argv(lab, space, (const char *const *)argv->pdata);
}

static int resolver_start(Lab *lab, LabSpace space, const char *own_v4, const char *own_v6) {
        g_autoptr(GPtrArray) options = g_ptr_array_new_with_free_func(g_free);

        g_ptr_array_add(options, g_strdup("--interface=lo"));
        g_ptr_array_add(options, g_strdup_printf("--listen-address=%s,%s", own_v4, own_v6));
        g_ptr_array_add(options, g_strdup("--bind-dynamic"));
        g_ptr_array_add(options, g_strdup_printf("--host-record=who.test,%s,%s", own_v4, own_v6));
        g_ptr_array_add(options,
                g_strdup("--host-record=internet.test," LAB_INTERNET_V4 "," LAB_INTERNET_V6));
        g_ptr_array_add(options, g_strdup("--max-ttl=0"));
        return dnsmasq_start(lab, space, "dns", options);
}

static const char *lan_network(const Lab *lab, LabSpace isp) {
        return lab->network[isp] ?: isps[isp].network_v4;
}

int lab_dhcp_start(Lab *lab, LabSpace isp) {
        g_autoptr(GPtrArray) options = g_ptr_array_new_with_free_func(g_free);
        const char *network = lan_network(lab, isp);

        assert(space_is_isp(isp));

        g_ptr_array_add(options, g_strdup("--port=0"));
        g_ptr_array_add(options, g_strdup("--interface=lan"));
        g_ptr_array_add(options, g_strdup("--dhcp-authoritative"));
        /* No three seconds of pinging before an offer. */
        g_ptr_array_add(options, g_strdup("--no-ping"));
        g_ptr_array_add(
                options, g_strdup_printf("--dhcp-leasefile=/run/lab/%s.leases", space_names[isp]));
        g_ptr_array_add(options,
                g_strdup_printf("--dhcp-range=%s.100,%s.200,255.255.255.0,1h", network, network));
        g_ptr_array_add(options, g_strdup_printf("--dhcp-option=6,%s.1", isps[isp].network_v4));
        g_ptr_array_add(options, g_strdup("--enable-ra"));
        g_ptr_array_add(
                options, g_strdup_printf("--dhcp-range=%s::,ra-only,64,1h", isps[isp].network_v6));
        g_ptr_array_add(options,
                g_strdup_printf("--dhcp-option=option6:dns-server,[%s::1]", isps[isp].network_v6));
        if (lab->dhcp_option[isp])
                g_ptr_array_add(
                        options, g_strdup_printf("--dhcp-option-force=%s", lab->dhcp_option[isp]));
        return dnsmasq_start(lab, isp, "dhcp", options);
}

int lab_dhcp_stop(Lab *lab, LabSpace isp) {
        g_autofree char *pidfile = pidfile_name(isp, "dhcp");

        assert(space_is_isp(isp));
        return agent_stop(lab->agent_fd, pidfile);
}

static int dhcp_restart(Lab *lab, LabSpace isp) {
        int r;

        r = lab_dhcp_stop(lab, isp);
        return r < 0 ? r : lab_dhcp_start(lab, isp);
}

int lab_set_dhcp_option(Lab *lab, LabSpace isp, const char *option) {
        assert(space_is_isp(isp));

        g_free(lab->dhcp_option[isp]);
        lab->dhcp_option[isp] = g_strdup(option);
        return dhcp_restart(lab, isp);
}

int lab_set_lan(Lab *lab, LabSpace isp, const char *network) {
        g_autofree char *old = g_strdup_printf("%s.254/24", lan_network(lab, isp));
        g_autofree char *new = NULL;
        int r;

        assert(space_is_isp(isp));

        if (lab->network[isp]) {
                r = LAB_SCRIPT(lab, isp, "ip address delete $1 dev lan", old);
                if (r < 0)
                        return r;
        }
        g_free(lab->network[isp]);
        lab->network[isp] = g_strdup(network);
        if (network) {
                new = g_strdup_printf("%s.254/24", network);
                r = LAB_SCRIPT(lab, isp, "ip address add $1 dev lan", new);
                if (r < 0)
                        return r;
        }
        return dhcp_restart(lab, isp);
}

static int isp_build(Lab *lab, LabSpace space) {
        const Isp *isp = &isps[space];
        g_autofree char *own_v4 = g_strconcat(isp->network_v4, ".1", NULL);
        g_autofree char *own_v6 = g_strconcat(isp->network_v6, "::1", NULL);
        int r;

        r = LAB_SCRIPT(lab, space, world_script, isp->public_v4, isp->public_v6);
        if (r < 0)
                return r;
        r = LAB_SCRIPT(lab, space, lan_script, own_v4, own_v6);
        if (r < 0)
                return r;
        r = resolver_start(lab, space, own_v4, own_v6);
        if (r < 0)
                return r;
        return lab_dhcp_start(lab, space);
}

static int relay_build(Lab *lab) {
        int r;

        r = LAB_SCRIPT(lab, LAB_RELAY, world_script, LAB_RELAY_V4, LAB_RELAY_V6);
        if (r < 0)
                return r;
        r = LAB_SCRIPT(lab, LAB_RELAY, tunnel_script, "wg0", LAB_TUNNEL_RELAY_V4 "/24",
                LAB_TUNNEL_RELAY_V6 "/64", relay_config);
        if (r < 0)
                return r;
        return resolver_start(lab, LAB_RELAY, LAB_TUNNEL_RELAY_V4, LAB_TUNNEL_RELAY_V6);
}

int lab_new(int agent_fd, const int netns_fds[static LAB_N_SPACES], Lab **ret) {
        g_autoptr(Lab) lab = g_new0(Lab, 1);
        int r;

        lab->agent_fd = agent_fd;
        memcpy(lab->netns_fds, netns_fds, sizeof(lab->netns_fds));
        r = LAB_SCRIPT(lab, LAB_INTERNET, internet_script);
        if (r < 0)
                return r;
        r = LAB_SCRIPT(lab, LAB_MACHINE, machine_script);
        if (r < 0)
                return r;
        r = isp_build(lab, LAB_ISP0);
        if (r < 0)
                return r;
        r = isp_build(lab, LAB_ISP1);
        if (r < 0)
                return r;
        r = relay_build(lab);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&lab);
        return 0;
}

Lab *lab_free(Lab *lab) {
        if (!lab)
                return NULL;
        for (int i = 0; i < LAB_N_SPACES; i++) {
                g_free(lab->dhcp_option[i]);
                g_free(lab->network[i]);
        }
        g_free(lab);
        return NULL;
}

const char *lab_space_name(LabSpace space) {
        assert(space < LAB_N_SPACES);
        return space_names[space];
}

int lab_space_fd(const Lab *lab, LabSpace space) {
        assert(space < LAB_N_SPACES);
        return lab->netns_fds[space];
}

/* A socket stays in the namespace it was made in; the thread comes back. */
int lab_socket(const Lab *lab, LabSpace space, int family, int type, int protocol) {
        _cleanup_fd_ int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        int fd;

        if (own < 0 || setns(lab_space_fd(lab, space), CLONE_NEWNET) < 0)
                return -errno;
        fd = socket(family, type | SOCK_CLOEXEC, protocol);
        fd = fd < 0 ? -errno : fd;
        if (setns(own, CLONE_NEWNET) < 0)
                g_error("back from %s: %s", space_names[space], g_strerror(errno));
        return fd;
}

static GPtrArray *argv_collect(va_list list) {
        GPtrArray *argv = g_ptr_array_new();
        const char *argument;

        do {
                argument = va_arg(list, const char *);
                g_ptr_array_add(argv, (char *)argument);
        } while (argument);
        return argv;
}

int lab_run(Lab *lab, LabSpace space, CommandResult *ret, ...) {
        g_autoptr(GPtrArray) argv = NULL;
        va_list list;

        va_start(list, ret);
        argv = argv_collect(list);
        va_end(list);
        return agent_run(
                lab->agent_fd, lab->netns_fds[space], (const char *const *)argv->pdata, ret);
}

char *lab_run_ok(Lab *lab, LabSpace space, ...) {
        g_autoptr(GPtrArray) argv = NULL;
        g_auto(CommandResult) result = {};
        va_list list;
        int r;

        va_start(list, space);
        argv = argv_collect(list);
        va_end(list);
        r = agent_run(
                lab->agent_fd, lab->netns_fds[space], (const char *const *)argv->pdata, &result);
        if (result_check(r, &result, argv->pdata[0]) < 0)
                g_error("%s failed in %s", (char *)argv->pdata[0], space_names[space]);
        return g_steal_pointer(&result.out);
}

int lab_cable_pull(Lab *lab, LabSpace isp) {
        assert(space_is_isp(isp));
        return LAB_SCRIPT(lab, isp, "ip link set lan down");
}

/* A link that goes down loses its IPv6 addresses. */
int lab_cable_plug(Lab *lab, LabSpace isp) {
        g_autofree char *own_v4 = g_strconcat(isps[isp].network_v4, ".1", NULL);
        g_autofree char *own_v6 = g_strconcat(isps[isp].network_v6, "::1", NULL);

        assert(space_is_isp(isp));
        return LAB_SCRIPT(lab, isp, lan_script, own_v4, own_v6);
}

/* Not through the agent: the device and its program live in the machine. */
static int run_inside(const char *const *argv) {
        g_auto(CommandResult) result = {};
        int r;

        r = command_run(&(Command){ .argv = argv }, &result);
        return result_check(r, &result, argv[0]);
}

char *lab_tunnel_config(uint32_t fwmark) {
        return g_strdup_printf(client_config, fwmark);
}

int lab_tunnel_up(Lab *lab, const char *ifname, uint32_t fwmark) {
        g_autofree char *config = lab_tunnel_config(fwmark);

        assert(lab && ifname);
        return run_inside((const char *const[]){ "sh", "-euc", tunnel_script, "sh", ifname,
                LAB_TUNNEL_CLIENT_V4 "/32", LAB_TUNNEL_CLIENT_V6 "/128", config, NULL });
}

int lab_tunnel_down(Lab *lab, const char *ifname) {
        assert(lab && ifname);
        return run_inside(
                (const char *const[]){ "sh", "-euc", tunnel_end_script, "sh", ifname, NULL });
}
