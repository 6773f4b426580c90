// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/route-codec.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "backends/netlink/nl-attr.h"

#define ATTRS_MAX (RTA_NH_ID + 1)

/* RTA_VIA: the gateway's family in host byte order, then its bytes. */
static int decode_via(const struct nlattr *attr, Address *ret) {
        Address address = { 0 };
        uint16_t family;
        size_t size;

        if (!attr)
                return 0;
        if (nl_attr_size(attr) < sizeof(family))
                return -EBADMSG;
        memcpy(&family, nl_attr_payload(attr), sizeof(family));
        size = family_size_bytes(family);
        if (size == 0 || nl_attr_size(attr) != sizeof(family) + size)
                return -EBADMSG;

        address.family = (uint8_t)family;
        memcpy(address.bytes, (const char *)nl_attr_payload(attr) + sizeof(family), size);
        *ret = address;
        return 0;
}

static int decode_gateway(const struct nlattr **attrs, int family, Address *ret) {
        if (nl_attr_address(attrs[RTA_GATEWAY], family, ret) < 0)
                return -EBADMSG;
        return decode_via(attrs[RTA_VIA], ret);
}

static void set_hop_flags(Route *route, unsigned flags) {
        route->onlink = flags & RTNH_F_ONLINK;
        route->status = 0;
        if (flags & RTNH_F_DEAD)
                route->status |= ROUTE_STATUS_DEAD;
        if (flags & RTNH_F_LINKDOWN)
                route->status |= ROUTE_STATUS_LINKDOWN;
}

static int decode_hop(const struct rtnexthop *hop, int family, Route *route) {
        const struct nlattr *attrs[ATTRS_MAX];
        const char *start = (const char *)hop + RTNH_LENGTH(0);

        if (nl_attr_parse(start, hop->rtnh_len - RTNH_LENGTH(0), attrs, ARRAY_LENGTH(attrs)) < 0 ||
                decode_gateway(attrs, family, &route->gateway) < 0)
                return -EBADMSG;
        route->ifindex = (uint32_t)hop->rtnh_ifindex;
        set_hop_flags(route, hop->rtnh_flags);
        return 0;
}

/* RTA_MULTIPATH: struct rtnexthop, each with attributes of its own. */
static int decode_multipath(const struct nlattr *attr, const Route *common, RouteMessage *ret) {
        const char *at = nl_attr_payload(attr);
        size_t size = nl_attr_size(attr);

        ret->n_hops = 0;
        while (size > 0) {
                const struct rtnexthop *hop = (const struct rtnexthop *)at;
                size_t step;

                if (size < sizeof(*hop) || hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > size)
                        return -EBADMSG;
                if (ret->n_hops < ROUTE_HOPS_MAX) {
                        Route *route = &ret->hops[ret->n_hops];

                        *route = *common;
                        route->hop = (uint8_t)ret->n_hops++;
                        if (decode_hop(hop, common->destination.family, route) < 0)
                                return -EBADMSG;
                }
                step = RTNH_ALIGN(hop->rtnh_len);
                if (step >= size)
                        break;
                at += step;
                size -= step;
        }
        return ret->n_hops > 0 ? 0 : -EBADMSG;
}

static int decode_mtu(const struct nlattr *attr, uint32_t *ret) {
        const struct nlattr *metrics[RTAX_MTU + 1];

        if (nl_attr_parse_nested(attr, metrics, ARRAY_LENGTH(metrics)) < 0)
                return -EBADMSG;
        return nl_attr_u32(metrics[RTAX_MTU], ret);
}

/* How packets of a route that is an error fail; only answers to "which route" tell. */
static int decode_error(const struct nlattr *attr) {
        struct rta_cacheinfo info;
        int error;

        if (!attr || nl_attr_size(attr) < sizeof(info))
                return 0;
        memcpy(&info, nl_attr_payload(attr), sizeof(info));
        error = (int)info.rta_error;
        return error < 0 && error >= -4095 ? error : 0;
}

/* What all hops share. */
static int decode_common(const struct rtmsg *header, const struct nlattr **attrs, Route *ret) {
        Address destination = { .family = header->rtm_family };
        Route route = {
                .type = header->rtm_type,
                .protocol = header->rtm_protocol,
                .table = header->rtm_table,
        };

        if (header->rtm_dst_len > family_size_bits(header->rtm_family) ||
                (header->rtm_dst_len > 0 && !attrs[RTA_DST]))
                return -EBADMSG;
        if (nl_attr_address(attrs[RTA_DST], header->rtm_family, &destination) < 0 ||
                nl_attr_address(attrs[RTA_PREFSRC], header->rtm_family, &route.source) < 0 ||
                nl_attr_u32(attrs[RTA_TABLE], &route.table) < 0 ||
                nl_attr_u32(attrs[RTA_PRIORITY], &route.metric) < 0 ||
                decode_mtu(attrs[RTA_METRICS], &route.mtu) < 0)
                return -EBADMSG;

        route.destination = prefix_of_address(&destination, header->rtm_dst_len);
        *ret = route;
        return 0;
}

static int decode_hops(const struct rtmsg *header, const struct nlattr **attrs, RouteMessage *ret) {
        Route *route = &ret->hops[0];
        Route common = *route;

        if (route_type_is_dead_end(route->type))
                return 0;
        if (attrs[RTA_MULTIPATH])
                return decode_multipath(attrs[RTA_MULTIPATH], &common, ret);

        set_hop_flags(route, header->rtm_flags);
        if (nl_attr_u32(attrs[RTA_OIF], &route->ifindex) < 0 ||
                decode_gateway(attrs, header->rtm_family, &route->gateway) < 0)
                return -EBADMSG;
        return 0;
}

int route_decode(const struct nlmsghdr *nlh, RouteMessage *ret) {
        const struct nlattr *attrs[ATTRS_MAX];
        const struct rtmsg *header = NLMSG_DATA(nlh);
        RouteMessage message = { .n_hops = 1 };
        uint32_t id = 0;

        if (nl_attr_parse_message(nlh, sizeof(*header), attrs, ARRAY_LENGTH(attrs)) < 0)
                return -EBADMSG;
        if ((header->rtm_family != AF_INET && header->rtm_family != AF_INET6) ||
                header->rtm_tos != 0)
                return 0;

        if (decode_common(header, attrs, &message.hops[0]) < 0 ||
                decode_hops(header, attrs, &message) < 0 || nl_attr_u32(attrs[RTA_NH_ID], &id) < 0)
                return -EBADMSG;

        message.for_source = header->rtm_src_len != 0;
        message.is_cloned = header->rtm_flags & RTM_F_CLONED;
        message.error = decode_error(attrs[RTA_CACHEINFO]);
        message.has_nexthop_object = id != 0;
        if (!attrs[RTA_OIF] && !attrs[RTA_MULTIPATH] &&
                !route_type_is_dead_end(message.hops[0].type))
                message.nexthop_id = id;

        *ret = message;
        return 1;
}

/* The kernel refuses a scope that does not follow from the next hop: fib_check_nh(). */
static uint8_t scope_of(const Route *route) {
        if (route->destination.family == AF_INET6 || route_type_is_dead_end(route->type) ||
                address_is_set(&route->gateway))
                return RT_SCOPE_UNIVERSE;
        return route->type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK;
}

static void put_address(struct nlmsghdr *nlh, uint16_t type, const Address *address) {
        if (address_is_set(address))
                mnl_attr_put(nlh, type, family_size_bytes(address->family), address->bytes);
}

static void put_gateway(struct nlmsghdr *nlh, const Route *route) {
        const Address *gateway = &route->gateway;
        struct {
                uint16_t family;
                uint8_t bytes[16];
        } via;

        if (!address_is_set(gateway) || gateway->family == route->destination.family) {
                put_address(nlh, RTA_GATEWAY, gateway);
                return;
        }
        via.family = gateway->family;
        memcpy(via.bytes, gateway->bytes, sizeof(via.bytes));
        mnl_attr_put(nlh, RTA_VIA, sizeof(via.family) + family_size_bytes(gateway->family), &via);
}

static void put_mtu(struct nlmsghdr *nlh, uint32_t mtu) {
        struct nlattr *metrics;

        if (mtu == 0)
                return;
        metrics = mnl_attr_nest_start(nlh, RTA_METRICS);
        mnl_attr_put_u32(nlh, RTAX_MTU, mtu);
        mnl_attr_nest_end(nlh, metrics);
}

struct nlmsghdr *route_encode(void *buffer, OperationVerb verb, const Route *route) {
        static const uint16_t flags[] = {
                [OPERATION_ADD] = NLM_F_CREATE | NLM_F_EXCL,
                [OPERATION_REPLACE] = NLM_F_CREATE | NLM_F_REPLACE,
                [OPERATION_REMOVE] = 0,
        };
        bool is_removal = verb == OPERATION_REMOVE;
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        struct rtmsg *header;

        nlh->nlmsg_type = is_removal ? RTM_DELROUTE : RTM_NEWROUTE;
        nlh->nlmsg_flags = flags[verb];

        header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
        header->rtm_family = route->destination.family;
        header->rtm_dst_len = route->destination.length;
        header->rtm_table = route->table < 256 ? (uint8_t)route->table : RT_TABLE_UNSPEC;
        header->rtm_protocol = route->protocol;
        header->rtm_type = route->type;
        /* In a removal "nowhere" is "any scope": the rest of the key says enough. */
        header->rtm_scope = is_removal ? RT_SCOPE_NOWHERE : scope_of(route);
        if (route->onlink && !is_removal)
                header->rtm_flags = RTNH_F_ONLINK;

        if (route->destination.length > 0)
                mnl_attr_put(nlh, RTA_DST, family_size_bytes(route->destination.family),
                        route->destination.bytes);
        mnl_attr_put_u32(nlh, RTA_TABLE, route->table);
        if (route->metric != 0)
                mnl_attr_put_u32(nlh, RTA_PRIORITY, route->metric);
        if (route->ifindex != 0)
                mnl_attr_put_u32(nlh, RTA_OIF, route->ifindex);
        put_gateway(nlh, route);
        put_address(nlh, RTA_PREFSRC, &route->source);
        if (!is_removal) /* it would have to be the same: the kernel compares all metrics */
                put_mtu(nlh, route->mtu);
        return nlh;
}
