/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A netlink socket for requests and their answers.
 *
 * The kernel works inside send, so the answer can be read at once and nothing
 * here ever waits: a missing answer is -EIO. Open with NETLINK_EXT_ACK,
 * NETLINK_CAP_ACK and NETLINK_GET_STRICT_CHK; see netlink(7). One user at a
 * time: do not send from inside a callback.
 *
 * Errors are negative errno values, in the return value and in the Fault
 * (which may be NULL) alike. @nlh needs type, family header and attributes;
 * sequence number and the flags REQUEST, ACK or DUMP are set here.
 */

#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "backends/base/cleanup.h"
#include "backends/facts/operation.h"

typedef struct NlRequest NlRequest;
typedef struct NlBatch NlBatch;

/* Given each message of an answer; < 0 ends the delivery and is returned. */
typedef int (*NlReplyCallback)(const struct nlmsghdr *nlh, void *userdata);

/* @protocol: NETLINK_ROUTE, … Return: 0, *ret is the caller's; negative errno. */
int nl_request_new(int protocol, NlRequest **ret);
NlRequest *nl_request_free(NlRequest *request);
DEFINE_CLEANUP(NlRequest *, nl_request_free);

/* The socket's address: nlmsg_pid of the notifications our requests cause. */
uint32_t nl_request_port(const NlRequest *request);

/* Sends one request and reads its answer. @on_reply may be NULL. Return: 0; negative errno. */
int nl_request_send(NlRequest *request, struct nlmsghdr *nlh, NlReplyCallback on_reply,
        void *userdata, Fault *fault);

/*
 * Sends a dump request and gives every part to @on_reply. When the kernel says
 * that things changed meanwhile (NLM_F_DUMP_INTR) it starts over, a bounded
 * number of times, and tells so by a call with NULL: forget what came.
 * Return: 0; -EAGAIN it changed every time; negative errno.
 */
int nl_request_dump(NlRequest *request, struct nlmsghdr *nlh, NlReplyCallback on_reply,
        void *userdata, Fault *fault);

/*
 * Many small requests in few sends. Only the last of a send asks for an ack;
 * the kernel reports the failed ones in any case, by sequence number.
 */

/* Told once for each message that failed; @tag is what it was appended with. */
typedef void (*NlBatchCallback)(size_t tag, const Fault *fault, void *userdata);

/* The batch borrows @request. Return: 0, *ret is the caller's; -ENOMEM. */
int nl_batch_new(NlRequest *request, NlBatchCallback on_fault, void *userdata, NlBatch **ret);

/* Forgets what was not flushed. */
NlBatch *nl_batch_free(NlBatch *batch);
DEFINE_CLEANUP(NlBatch *, nl_batch_free);

/* Copies @nlh behind the others, sending these first when there is no room. @flags are kept. */
void nl_batch_append(NlBatch *batch, const struct nlmsghdr *nlh, size_t tag);

/* Sends what is left. Every fault has been told when this returns. */
void nl_batch_flush(NlBatch *batch);
