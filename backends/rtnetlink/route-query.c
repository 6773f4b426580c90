// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/route-query.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "backends/netlink/nl-error.h"
#include "backends/rtnetlink/route-codec.h"

static struct nlmsghdr *encode_query(void *buffer, const RouteQuery *query, unsigned flags) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        const Address *to = &query->destination;
        struct rtmsg *header;

        nlh->nlmsg_type = RTM_GETROUTE;
        header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
        header->rtm_family = to->family;
        header->rtm_dst_len = (uint8_t)family_size_bits(to->family);
        header->rtm_flags = flags;
        mnl_attr_put(nlh, RTA_DST, family_size_bytes(to->family), to->bytes);
        if (query->mark != 0)
                mnl_attr_put_u32(nlh, RTA_MARK, query->mark);
        if (query->have_uid)
                mnl_attr_put_u32(nlh, RTA_UID, query->uid);
        if (query->oif != 0)
                mnl_attr_put_u32(nlh, RTA_OIF, query->oif);
        return nlh;
}

static int on_route(const struct nlmsghdr *nlh, void *userdata) {
        RouteMessage *message = userdata;

        return nlh->nlmsg_type == RTM_NEWROUTE && route_decode(nlh, message) > 0 ? 0 : -EBADMSG;
}

static int ask(NlRequest *request, const RouteQuery *query, unsigned flags, RouteMessage *ret,
        Fault *fault) {
        uint32_t buffer[ROUTE_MESSAGE_MAX / sizeof(uint32_t)];
        RouteMessage message = { 0 };
        int r;

        r = nl_request_send(request, encode_query(buffer, query, flags), on_route, &message, fault);
        if (r < 0)
                return r;
        if (message.n_hops == 0)
                return nl_fault_set(fault, -EBADMSG, NULL);
        *ret = message;
        return 0;
}

int route_query_run(NlRequest *request, const RouteQuery *query, RouteAnswer *ret, Fault *fault) {
        /* IPv6 always tells the table and refuses the question for it. */
        unsigned flags = query->destination.family == AF_INET ? RTM_F_LOOKUP_TABLE : 0;
        RouteMessage answer, matched;
        int r;

        if (query->destination.family != AF_INET && query->destination.family != AF_INET6)
                return nl_fault_set(fault, -EAFNOSUPPORT, NULL);

        r = ask(request, query, flags, &answer, fault);
        if (r < 0)
                return r;
        /* IPv4 fails the question where IPv6 answers with a route that fails. */
        if (answer.error < 0 && route_type_is_dead_end(answer.hops[0].type))
                return nl_fault_set(fault, answer.error, NULL);
        r = ask(request, query, flags | RTM_F_FIB_MATCH, &matched, fault);
        if (r < 0)
                return r;

        *ret = (RouteAnswer){
                .route = answer.hops[0],
                .matched = matched.hops[0].destination,
                .metric = matched.hops[0].metric,
                .route_mtu = answer.hops[0].mtu,
        };
        return 0;
}
