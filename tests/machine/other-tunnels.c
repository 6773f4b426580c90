// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/machine/other-tunnels.h"

#include "tests/machine/lib/check.h"

#define USERSPACE "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 "

/* The encrypted packets' own way, where no mark gives them one. */
#define TO_RELAY "ip route add " LAB_RELAY_V4 " via " LAB_ISP0_LAN_V4 " dev wan0; "

#define DEVICE USERSPACE "wireguard-go wg0 2>/dev/null; wg setconf wg0 /run/wg.conf; "

/* As NetworkManager itself makes a device of its own. */
#define NM_ADD                                                                                     \
        DEVICE "nmcli -t connection add type tun ifname wg0 con-name vpn autoconnect no "          \
               "tun.pi yes tun.mode tun ipv4.method manual ipv4.addresses " LAB_TUNNEL_CLIENT_V4   \
               "/32 ipv6.method manual ipv6.addresses " LAB_TUNNEL_CLIENT_V6                       \
               "/128 ipv4.dns " LAB_TUNNEL_RELAY_V4 " ipv4.dns-priority -10 "
#define NM_UP "; nmcli -t connection up vpn ifname wg0"
#define NM_DOWN                                                                                    \
        "nmcli -t connection down vpn; nmcli -t connection delete vpn; ip link delete wg0 "        \
        "2>/dev/null || :"

#define RESOLVER                                                                                   \
        "cp /etc/resolv.conf /run/resolv.conf; echo nameserver " LAB_TUNNEL_RELAY_V4               \
        " >/etc/resolv.conf; "
#define RESOLVER_BACK "cp /run/resolv.conf /etc/resolv.conf; "

/* Its WireGuard with a table and rules of its own, as ip4-auto-default-route makes them. */
const OtherTunnel other_nm_wireguard = {
        .fwmark = 0xca6d,
        .up = NM_ADD
        "ipv4.routes '0.0.0.0/0 table=51821' ipv6.routes '::/0 table=51821' "
        "ipv4.routing-rules 'priority 31001 not from 0.0.0.0/0 fwmark 0xca6d table 51821, "
        "priority 31000 from 0.0.0.0/0 suppress_prefixlength 0 table 254' "
        "ipv6.routing-rules 'priority 31001 not from ::/0 fwmark 0xca6d table 51821, "
        "priority 31000 from ::/0 suppress_prefixlength 0 table 254'" NM_UP,
        .down = NM_DOWN,
};

/* Its VPN plugins: a better default route in the main table. */
const OtherTunnel other_nm_vpn = {
        .up = NM_ADD "ipv4.routes 0.0.0.0/0 ipv6.routes ::/0 ipv4.route-metric 50 "
                     "ipv6.route-metric 50" NM_UP "; " TO_RELAY,
        .down = NM_DOWN "; ip route del " LAB_RELAY_V4,
};

const OtherTunnel other_wg_quick = {
        .fwmark = 0,
        .up = RESOLVER "umask 077; mkdir -p /etc/wireguard; sed '/FwMark/d; /Interface/a Address = "
                       "" LAB_TUNNEL_CLIENT_V4 "/32, " LAB_TUNNEL_CLIENT_V6
                       "/128' /run/wg.conf >/etc/wireguard/wg0.conf; " USERSPACE
                       "WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go wg-quick up wg0",
        .down = "wg-quick down wg0; " RESOLVER_BACK,
};

const OtherTunnel other_halves = {
        .up = RESOLVER DEVICE "ip address add " LAB_TUNNEL_CLIENT_V4 "/32 dev wg0; "
                              "ip address add " LAB_TUNNEL_CLIENT_V6 "/128 dev wg0 nodad; "
                              "ip link set wg0 mtu 1420 up; " TO_RELAY
                              "ip route add 0.0.0.0/1 dev wg0; ip route add 128.0.0.0/1 dev wg0; "
                              "ip -6 route add ::/1 dev wg0; ip -6 route add 8000::/1 dev wg0",
        .down = "ip link delete wg0; ip route del " LAB_RELAY_V4 "; " RESOLVER_BACK,
};

static void run(const char *script) {
        g_autofree char *text = g_strdup_printf("set -e\n{ %s\n} >/dev/null", script);

        g_free(machine_run_ok("sh", "-c", text, NULL));
}

void other_tunnel_up(Machine *machine, const OtherTunnel *other) {
        g_autofree char *config = lab_tunnel_config(other->fwmark);

        g_assert_true(g_file_set_contents("/run/wg.conf", config, -1, NULL));
        run(other->up);
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
}

void other_tunnel_down(Machine *machine, const OtherTunnel *other) {
        run(other->down);
        g_assert_true(machine_wait_online(machine));
        check_answers_soon(machine, LAB_ISP0_V4, LAB_ISP0_V6);
}
