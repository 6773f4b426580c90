// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-phrase.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/expr.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#define REGISTER NFT_REG_1

void rule_begin(NftRule *rule, const char *chain) {
        rule->is_counted = false;
        rule->rule = nftnl_rule_alloc();
        if (rule->rule)
                nftnl_rule_set_str(rule->rule, NFTNL_RULE_CHAIN, chain);
        else
                nft_batch_fail(rule->batch, -ENOMEM);
}

/* Return: an expression that belongs to the rule; NULL, and the error sticks. */
static struct nftnl_expr *append(NftRule *rule, const char *name) {
        struct nftnl_expr *expr = rule->rule ? nftnl_expr_alloc(name) : NULL;

        if (expr)
                nftnl_rule_add_expr(rule->rule, expr);
        else
                nft_batch_fail(rule->batch, -ENOMEM);
        return expr;
}

/* Before the first deed, so that it counts what matched. */
static void count(NftRule *rule) {
        if (rule->counts && !rule->is_counted)
                (void)append(rule, "counter"); /* its error sticks */
        rule->is_counted = true;
}

static void append_verdict(NftRule *rule, int verdict, const char *chain) {
        struct nftnl_expr *expr = append(rule, "immediate");

        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
        if (chain)
                nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain);
}

void jump_to(NftRule *rule, const char *chain) {
        count(rule);
        append_verdict(rule, NFT_JUMP, chain);
}

void rule_end(NftRule *rule, int verdict, const char *comment) {
        count(rule);
        if (verdict != NFT_RULE_NO_VERDICT)
                append_verdict(rule, verdict, NULL);
        if (!rule->rule)
                return;
        nft_batch_add_rule(rule->batch, rule->rule, comment);
        nftnl_rule_free(rule->rule);
        rule->rule = NULL;
}

static void load_meta(NftRule *rule, uint32_t key) {
        struct nftnl_expr *expr = append(rule, "meta");

        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, REGISTER);
}

static void load_flow(NftRule *rule, uint32_t key) {
        struct nftnl_expr *expr = append(rule, "ct");

        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, REGISTER);
}

static void load_payload_to(
        NftRule *rule, uint32_t to, uint32_t base, uint32_t offset, uint32_t size) {
        struct nftnl_expr *expr = append(rule, "payload");

        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, to);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, size);
}

static void load_payload(NftRule *rule, uint32_t base, uint32_t offset, uint32_t size) {
        load_payload_to(rule, REGISTER, base, offset, size);
}

static void compare(NftRule *rule, uint32_t op, const void *data, uint32_t size) {
        struct nftnl_expr *expr = append(rule, "cmp");

        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, REGISTER);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
        nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, size);
}

static void look_up(NftRule *rule, const char *set, uint32_t flags) {
        struct nftnl_expr *expr = append(rule, "lookup");

        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, REGISTER);
        nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set);
        if (flags)
                nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, flags);
}

/* The register becomes (register & mask) ^ xor. */
static void change_bits(NftRule *rule, const void *mask, const void * xor, uint32_t size) {
        struct nftnl_expr *expr = append(rule, "bitwise");

        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, REGISTER);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, REGISTER);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, size);
        nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask, size);
        nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, xor, size);
}

static void compare_bits(NftRule *rule, uint32_t op, uint32_t value, uint32_t mask) {
        static const uint32_t none = 0;

        change_bits(rule, &mask, &none, sizeof(mask));
        compare(rule, op, &value, sizeof(value));
}

void match_family(NftRule *rule, int family) {
        uint8_t protocol = family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;

        load_meta(rule, NFT_META_NFPROTO);
        compare(rule, NFT_CMP_EQ, &protocol, sizeof(protocol));
}

void match_protocol(NftRule *rule, uint8_t protocol) {
        load_meta(rule, NFT_META_L4PROTO);
        compare(rule, NFT_CMP_EQ, &protocol, sizeof(protocol));
}

static void compare_name(NftRule *rule, uint32_t key, uint32_t op, const char *name) {
        char padded[IFNAMSIZ] = "";

        strncpy(padded, name, sizeof(padded) - 1);
        load_meta(rule, key);
        compare(rule, op, padded, sizeof(padded));
}

void match_name(NftRule *rule, uint32_t key, const char *name) {
        compare_name(rule, key, NFT_CMP_EQ, name);
}

void match_other_name(NftRule *rule, uint32_t key, const char *name) {
        compare_name(rule, key, NFT_CMP_NEQ, name);
}

void match_in_set(NftRule *rule, uint32_t key, const char *set) {
        load_meta(rule, key);
        look_up(rule, set, 0);
}

void match_outside_set(NftRule *rule, uint32_t key, const char *set) {
        load_meta(rule, key);
        look_up(rule, set, NFT_LOOKUP_F_INV);
}

static void compare_input(NftRule *rule, uint32_t op) {
        static const uint32_t none = 0;

        load_meta(rule, NFT_META_IIF);
        compare(rule, op, &none, sizeof(none));
}

void match_made_here(NftRule *rule) {
        compare_input(rule, NFT_CMP_EQ);
}

void match_forwarded(NftRule *rule) {
        compare_input(rule, NFT_CMP_NEQ);
}

void match_mark(NftRule *rule, uint32_t mark, uint32_t mask) {
        load_meta(rule, NFT_META_MARK);
        compare_bits(rule, NFT_CMP_EQ, mark, mask);
}

void match_other_mark(NftRule *rule, uint32_t mark, uint32_t mask) {
        load_meta(rule, NFT_META_MARK);
        compare_bits(rule, NFT_CMP_NEQ, mark, mask);
}

void match_flow_mark(NftRule *rule, uint32_t mark, uint32_t mask) {
        load_flow(rule, NFT_CT_MARK);
        compare_bits(rule, NFT_CMP_EQ, mark, mask);
}

void match_flow_start(NftRule *rule) {
        load_flow(rule, NFT_CT_STATUS);
        compare_bits(rule, NFT_CMP_EQ, 0, IPS_CONFIRMED);
}

void match_flow_begun(NftRule *rule) {
        load_flow(rule, NFT_CT_STATUS);
        compare_bits(rule, NFT_CMP_NEQ, 0, IPS_CONFIRMED);
}

void match_flow_not_redirected(NftRule *rule) {
        load_flow(rule, NFT_CT_STATUS);
        compare_bits(rule, NFT_CMP_EQ, 0, IPS_DST_NAT);
}

void match_flow_redirected(NftRule *rule) {
        load_flow(rule, NFT_CT_STATUS);
        compare_bits(rule, NFT_CMP_NEQ, 0, IPS_DST_NAT);
}

void match_flow_original(NftRule *rule) {
        uint8_t direction = IP_CT_DIR_ORIGINAL;

        load_flow(rule, NFT_CT_DIRECTION);
        compare(rule, NFT_CMP_EQ, &direction, sizeof(direction));
}

/* A socket without a file has no owner: the kernel's own, and what a program has closed. */
void match_held_socket(NftRule *rule) {
        static const uint32_t nobody = UINT32_MAX;

        load_meta(rule, NFT_META_SKUID);
        compare(rule, NFT_CMP_NEQ, &nobody, sizeof(nobody));
}

static void load_destination(NftRule *rule, int family) {
        match_family(rule, family);
        load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, family == AF_INET ? 16 : 24,
                (uint32_t)family_size_bytes(family));
}

static void load_source(NftRule *rule, int family) {
        match_family(rule, family);
        load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, family == AF_INET ? 12 : 8,
                (uint32_t)family_size_bytes(family));
}

/* One behind the other, each in words of 4 bytes. */
static void load_udp_flow(NftRule *rule, int family) {
        uint32_t ports = NFT_REG32_00 + (uint32_t)family_size_bytes(family) / 4;

        load_destination(rule, family);
        load_payload_to(rule, ports, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(uint16_t));
        load_payload_to(rule, ports + 1, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(uint16_t));
}

void match_udp_flow_set(NftRule *rule, int family, const char *set) {
        match_protocol(rule, IPPROTO_UDP);
        load_udp_flow(rule, family);
        look_up(rule, set, 0);
}

void match_destination_set(NftRule *rule, int family, const char *set) {
        load_destination(rule, family);
        look_up(rule, set, 0);
}

void match_source_set(NftRule *rule, int family, const char *set) {
        load_source(rule, family);
        look_up(rule, set, 0);
}

static void compare_prefix(NftRule *rule, const Prefix *prefix) {
        static const uint8_t none[16] = { 0 };
        uint32_t size = (uint32_t)family_size_bytes(prefix->family);
        uint8_t mask[16] = { 0 };

        for (unsigned i = 0; i < prefix->length; i++)
                mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
        if (prefix->length < family_size_bits(prefix->family))
                change_bits(rule, mask, none, size);
        compare(rule, NFT_CMP_EQ, prefix->bytes, size);
}

void match_destination(NftRule *rule, const Prefix *prefix) {
        load_destination(rule, prefix->family);
        compare_prefix(rule, prefix);
}

void match_source(NftRule *rule, const Prefix *prefix) {
        load_source(rule, prefix->family);
        compare_prefix(rule, prefix);
}

void match_ports(NftRule *rule, uint16_t from, uint16_t to) {
        const uint16_t ports[] = { htons(from), htons(to) };

        load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(ports));
        compare(rule, NFT_CMP_EQ, ports, sizeof(ports));
}

void match_destination_port(NftRule *rule, uint16_t port) {
        uint16_t be_port = htons(port);

        load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, sizeof(be_port), sizeof(be_port));
        compare(rule, NFT_CMP_EQ, &be_port, sizeof(be_port));
}

void match_connection_begun(NftRule *rule) {
        static const uint8_t syn = TH_SYN, none = 0;

        match_protocol(rule, IPPROTO_TCP);
        load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 13, sizeof(syn));
        change_bits(rule, &syn, &none, sizeof(syn));
        compare(rule, NFT_CMP_EQ, &none, sizeof(none));
}

void match_icmpv6_set(NftRule *rule, const char *set) {
        match_family(rule, AF_INET6);
        match_protocol(rule, IPPROTO_ICMPV6);
        load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
        look_up(rule, set, 0);
}

static void load_type(NftRule *rule, uint32_t flags) {
        struct nftnl_expr *expr = append(rule, "fib");

        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, REGISTER);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, flags);
}

void match_destination_type_set(NftRule *rule, const char *set) {
        load_type(rule, NFTA_FIB_F_DADDR);
        look_up(rule, set, 0);
}

void match_foreign_source(NftRule *rule) {
        uint32_t local = RTN_LOCAL;

        load_type(rule, NFTA_FIB_F_SADDR | NFTA_FIB_F_OIF);
        compare(rule, NFT_CMP_NEQ, &local, sizeof(local));
}

static void match_cgroup2(NftRule *rule, uint32_t level, const char *set, uint32_t flags) {
        struct nftnl_expr *expr = append(rule, "socket");

        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_KEY, NFT_SOCKET_CGROUPV2);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_DREG, REGISTER);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_LEVEL, level);
        look_up(rule, set, flags);
}

void match_cgroup2_set(NftRule *rule, uint32_t level, const char *set) {
        match_cgroup2(rule, level, set, 0);
}

void match_cgroup2_outside_set(NftRule *rule, uint32_t level, const char *set) {
        match_cgroup2(rule, level, set, NFT_LOOKUP_F_INV);
}

void set_mark(NftRule *rule, uint32_t mark, uint32_t mask) {
        uint32_t kept = ~mask;
        struct nftnl_expr *expr;

        count(rule);
        load_meta(rule, NFT_META_MARK);
        change_bits(rule, &kept, &mark, sizeof(mark));
        expr = append(rule, "meta");
        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, NFT_META_MARK);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_META_SREG, REGISTER);
}

void set_flow_mark(NftRule *rule, uint32_t mark, uint32_t mask) {
        uint32_t kept = ~mask;
        struct nftnl_expr *expr;

        count(rule);
        load_flow(rule, NFT_CT_MARK);
        change_bits(rule, &kept, &mark, sizeof(mark));
        expr = append(rule, "ct");
        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_SREG, REGISTER);
}

void add_udp_flow(NftRule *rule, int family, const char *set) {
        struct nftnl_expr *expr;

        match_protocol(rule, IPPROTO_UDP);
        load_udp_flow(rule, family);
        expr = append(rule, "dynset");
        if (!expr)
                return;
        nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME, set);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_ADD);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, REGISTER);
}

void send_to(NftRule *rule, const Address *address) {
        struct nftnl_expr *expr;

        count(rule);
        expr = append(rule, "immediate");
        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, REGISTER);
        nftnl_expr_set(expr, NFTNL_EXPR_IMM_DATA, address->bytes,
                (uint32_t)family_size_bytes(address->family));
        expr = append(rule, "nat");
        if (!expr)
                return;
        nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FAMILY, address->family);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, REGISTER);
}

void masquerade(NftRule *rule) {
        struct nftnl_expr *expr;

        count(rule);
        expr = append(rule, "masq");
        if (expr)
                nftnl_expr_set_u32(expr, NFTNL_EXPR_MASQ_FLAGS, NF_NAT_RANGE_PROTO_RANDOM_FULLY);
}
