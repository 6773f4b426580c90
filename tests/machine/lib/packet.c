// SPDX-License-Identifier: GPL-3.0-or-later
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>

#include "tests/machine/lib/capture.h"

#define EXTENSIONS_MAX 8

static uint16_t read_u16(const uint8_t *bytes) {
        return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void transport_parse(const uint8_t *bytes, size_t n_bytes, Packet *packet) {
        switch (packet->protocol) {
        case IPPROTO_UDP:
        case IPPROTO_TCP:
        case IPPROTO_UDPLITE:
        case IPPROTO_SCTP:
                if (n_bytes < 4)
                        return;
                packet->source_port = read_u16(bytes);
                packet->destination_port = read_u16(bytes + 2);
                return;
        case IPPROTO_ICMP:
        case IPPROTO_ICMPV6:
                if (n_bytes >= 1)
                        packet->icmp_type = bytes[0];
                return;
        }
}

static void v4_parse(const uint8_t *bytes, size_t n_bytes, Packet *packet) {
        size_t header_bytes;

        if (n_bytes < sizeof(struct iphdr))
                return;
        packet->family = AF_INET;
        packet->protocol = bytes[9];
        packet->fragment = read_u16(bytes + 6) & IP_OFFMASK;
        memcpy(packet->source, bytes + 12, 4);
        memcpy(packet->destination, bytes + 16, 4);
        header_bytes = (size_t)(bytes[0] & 0xf) * 4;
        if (!packet->fragment && header_bytes < n_bytes)
                transport_parse(bytes + header_bytes, n_bytes - header_bytes, packet);
}

static bool v6_is_extension(uint8_t protocol) {
        return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
               protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_FRAGMENT;
}

/* Extension headers: RFC 8200, section 4. */
static void v6_parse(const uint8_t *bytes, size_t n_bytes, Packet *packet) {
        size_t at = sizeof(struct ip6_hdr);

        if (n_bytes < at)
                return;
        packet->family = AF_INET6;
        packet->protocol = bytes[6];
        memcpy(packet->source, bytes + 8, 16);
        memcpy(packet->destination, bytes + 24, 16);
        for (int i = 0; i < EXTENSIONS_MAX && v6_is_extension(packet->protocol); i++) {
                bool fragment = packet->protocol == IPPROTO_FRAGMENT;

                if (at + 8 > n_bytes)
                        return;
                packet->protocol = bytes[at];
                packet->fragment |= fragment && read_u16(bytes + at + 2) >> 3;
                at += fragment ? 8 : ((size_t)bytes[at + 1] + 1) * 8;
        }
        if (!packet->fragment && at < n_bytes)
                transport_parse(bytes + at, n_bytes - at, packet);
}

void packet_parse(uint16_t ethertype, const uint8_t *bytes, size_t n_bytes, Packet *ret) {
        *ret = (Packet){ .ethertype = ethertype };
        if (ethertype == ETHERTYPE_IP)
                v4_parse(bytes, n_bytes, ret);
        else if (ethertype == ETHERTYPE_IPV6)
                v6_parse(bytes, n_bytes, ret);
}

static bool address_is(int family, const uint8_t bytes[static 16], const char *text) {
        uint8_t wanted[16] = {};

        return family == (strchr(text, ':') ? AF_INET6 : AF_INET) &&
               inet_pton(family, text, wanted) == 1 &&
               memcmp(bytes, wanted, family == AF_INET6 ? 16 : 4) == 0;
}

bool packet_is_to(const Packet *packet, const char *address) {
        return address_is(packet->family, packet->destination, address);
}

bool packet_is_from(const Packet *packet, const char *address) {
        return address_is(packet->family, packet->source, address);
}

static const char *protocol_name(const Packet *packet, char buffer[static 16]) {
        switch (packet->protocol) {
        case IPPROTO_UDP:
                return "udp";
        case IPPROTO_TCP:
                return "tcp";
        case IPPROTO_ICMP:
                return "icmp";
        case IPPROTO_ICMPV6:
                return "icmpv6";
        }
        (void)g_snprintf(buffer, 16, "proto-%u", packet->protocol);
        return buffer;
}

char *packet_format(const Packet *packet) {
        char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN], protocol[16];
        const char *way = packet->outgoing ? "out" : "in";

        if (packet->family == AF_UNSPEC)
                return g_strdup_printf("ethertype 0x%04x %s", packet->ethertype, way);
        (void)inet_ntop(packet->family, packet->source, source, sizeof(source));
        (void)inet_ntop(packet->family, packet->destination, destination, sizeof(destination));
        if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6)
                return g_strdup_printf("%s %u %s > %s %s", protocol_name(packet, protocol),
                        packet->icmp_type, source, destination, way);
        return g_strdup_printf("%s %s:%u > %s:%u %s%s", protocol_name(packet, protocol), source,
                packet->source_port, destination, packet->destination_port, way,
                packet->fragment ? " fragment" : "");
}
