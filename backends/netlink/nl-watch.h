/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A netlink socket that listens to multicast groups from an event loop.
 *
 * It is bound before it joins a group, since an unbound socket is sent
 * nothing. Who caused a message is its nlmsg_pid. Messages are delivered in
 * their order, a bounded number for each wake-up. See netlink(7).
 */

#include <stdbool.h>
#include <stddef.h>

#include <linux/filter.h>
#include <linux/netlink.h>
#include <systemd/sd-event.h>

#include "backends/base/cleanup.h"

typedef struct NlWatch NlWatch;

/* None of them may free the watch. */
typedef struct NlWatchListener {
        /* nlmsg_len bytes are readable; nothing else about the message is checked. */
        void (*on_message)(const struct nlmsghdr *nlh, void *userdata);

        /* Messages were lost: what they told has to be read from the kernel. Others may follow. */
        void (*on_overrun)(void *userdata);

        /* No more messages in this wake-up; @is_empty: none are queued either. */
        void (*on_turn_end)(bool is_empty, void *userdata);

        void *userdata;
} NlWatchListener;

/* @protocol: NETLINK_ROUTE, … Return: 0, *ret is the caller's; negative errno. */
int nl_watch_new(sd_event *event, int protocol, const NlWatchListener *listener, NlWatch **ret);
NlWatch *nl_watch_free(NlWatch *watch);
DEFINE_CLEANUP(NlWatch *, nl_watch_free);

/* @group: RTNLGRP_ of <linux/rtnetlink.h>. Return: 0; negative errno. */
int nl_watch_join(NlWatch *watch, unsigned group);

/*
 * Lets the kernel throw away what @program (classic BPF over one message)
 * returns 0 for; replaces an earlier program. Return: 0; negative errno.
 */
int nl_watch_set_filter(NlWatch *watch, const struct sock_filter *program, size_t n);

/* Whether neither messages nor an overrun are waiting to be delivered. */
bool nl_watch_is_empty(const NlWatch *watch);

/* Delivers now all that is queued, up to a bound far above what a queue holds. */
void nl_watch_drain(NlWatch *watch);
