// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/netlink/nl-request.h"

#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "backends/netlink/nl-error.h"
#include "backends/netlink/nl-socket.h"

/*
 * A dump fills buffers of at most 32 KiB (netlink_recvmsg(), max_recvmsg_len);
 * single answers can be larger, but not those we ask for.
 */
#define BUFFER_SIZE ((size_t)64 * 1024)
#define RECEIVE_QUEUE_SIZE (4 * 1024 * 1024)
#define DUMP_TRIES_MAX 8

#define BATCH_SIZE ((size_t)60 * 1024)

/*
 * The answers to a whole send wait in the receive queue: so many errors with
 * text fit even the default of 212,992 bytes. Larger sends gain nothing.
 */
#define BATCH_MESSAGES_MAX 128

/*
 * Notifications of what we change carry our sequence numbers. wireguard-go
 * asks for the way of each peer with numbers up to 65536 and takes what has
 * such a one for an answer: it would stay on the old way.
 */
#define SEQUENCE_BEFORE_FIRST (UINT32_C(1) << 20)

struct NlRequest {
        int fd;
        uint32_t port;
        uint32_t sequence;
        char *buffer; /* BUFFER_SIZE */
};

struct NlBatch {
        NlRequest *request; /* borrowed */
        NlBatchCallback on_fault;
        void *userdata;
        size_t size; /* bytes used of buffer */
        size_t n;
        uint32_t sequence; /* of the first message */
        struct nlmsghdr *last;
        size_t tags[BATCH_MESSAGES_MAX];
        bool failed[BATCH_MESSAGES_MAX];
        char buffer[] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* Refused by kernels before 4.20 (strict), 4.12 (text), 4.3 (cap): we do without. */
static void set_options(int fd) {
        static const int options[] = { NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK };
        int on = 1;

        for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
                (void)setsockopt(fd, SOL_NETLINK, options[i], &on, sizeof(on));
}

int nl_request_new(int protocol, NlRequest **ret) {
        CLEANUP(nl_request_free_p) NlRequest *request = calloc(1, sizeof(*request));
        int r;

        if (!request)
                return -ENOMEM;
        request->fd = -1;
        request->sequence = SEQUENCE_BEFORE_FIRST;

        request->buffer = malloc(BUFFER_SIZE);
        if (!request->buffer)
                return -ENOMEM;

        r = nl_socket_open(protocol, RECEIVE_QUEUE_SIZE, &request->fd, &request->port);
        if (r < 0)
                return r;
        set_options(request->fd);

        *ret = TAKE(request);
        return 0;
}

NlRequest *nl_request_free(NlRequest *request) {
        if (!request)
                return NULL;
        request->fd = fd_close(request->fd);
        free(request->buffer);
        free(request);
        return NULL;
}

uint32_t nl_request_port(const NlRequest *request) {
        return request->port;
}

static int send_bytes(NlRequest *request, const void *bytes, size_t size) {
        ssize_t n;

        do
                n = send(request->fd, bytes, size, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

/*
 * Which answers belong to a request, what to do with them, and how far it got.
 * Answers to anything older (a request that was given up) are skipped.
 */
typedef struct Exchange {
        uint32_t first, last; /* sequence numbers */
        bool is_dump;
        NlReplyCallback on_reply;
        void (*on_error)(uint32_t sequence, const Fault *fault, void *userdata);
        void *userdata;
        bool done;
        bool interrupted; /* NLM_F_DUMP_INTR */
        int callback_error;
        Fault fault; /* of the last message */
} Exchange;

static void exchange_feed(Exchange *exchange, const struct nlmsghdr *nlh) {
        bool is_last = nlh->nlmsg_seq == exchange->last;
        Fault fault;

        if (nlh->nlmsg_seq - exchange->first > exchange->last - exchange->first)
                return;
        if (exchange->is_dump && (nlh->nlmsg_flags & NLM_F_DUMP_INTR))
                exchange->interrupted = true;

        if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
                if (nl_error_decode(nlh, &fault) < 0 && exchange->on_error)
                        exchange->on_error(nlh->nlmsg_seq, &fault, exchange->userdata);
                if (is_last) {
                        exchange->fault = fault;
                        exchange->done = true;
                }
        } else if (nlh->nlmsg_type >= NLMSG_MIN_TYPE && exchange->on_reply &&
                   exchange->callback_error == 0) {
                int r = exchange->on_reply(nlh, exchange->userdata);

                exchange->callback_error = r < 0 ? r : 0;
        }
}

/* Reads until the last answer. Return: 0; negative errno, -EIO when there is no answer. */
static int exchange_finish(Exchange *exchange, NlRequest *request) {
        while (!exchange->done) {
                const struct nlmsghdr *nlh;
                ssize_t n;
                int left;

                n = nl_socket_receive(request->fd, request->buffer, BUFFER_SIZE);
                if (n < 0)
                        return n == -EAGAIN ? -EIO : (int)n;
                left = (int)n;
                for (nlh = (const struct nlmsghdr *)request->buffer; mnl_nlmsg_ok(nlh, left);
                        nlh = mnl_nlmsg_next(nlh, &left))
                        exchange_feed(exchange, nlh);
        }
        return 0;
}

/* Sends one message and reads what comes back. Return: 0; negative errno, told in @fault too. */
static int run_exchange(
        NlRequest *request, struct nlmsghdr *nlh, Exchange *exchange, Fault *fault) {
        int r;

        nlh->nlmsg_seq = exchange->first = exchange->last = ++request->sequence;
        nlh->nlmsg_pid = 0;

        r = send_bytes(request, nlh, nlh->nlmsg_len);
        if (r >= 0)
                r = exchange_finish(exchange, request);
        if (r < 0)
                return nl_fault_set(fault, r, NULL);
        if (exchange->fault.error < 0)
                return nl_fault_set(fault, exchange->fault.error, exchange->fault.text);
        return nl_fault_set(fault, exchange->callback_error, NULL);
}

int nl_request_send(NlRequest *request, struct nlmsghdr *nlh, NlReplyCallback on_reply,
        void *userdata, Fault *fault) {
        Exchange exchange = { .on_reply = on_reply, .userdata = userdata };

        nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
        return run_exchange(request, nlh, &exchange, fault);
}

int nl_request_dump(NlRequest *request, struct nlmsghdr *nlh, NlReplyCallback on_reply,
        void *userdata, Fault *fault) {
        nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;

        for (unsigned i = 0; i < DUMP_TRIES_MAX; i++) {
                Exchange exchange = { .is_dump = true, .on_reply = on_reply, .userdata = userdata };
                int r;

                if (i > 0)
                        (void)on_reply(NULL, userdata); /* only says: start over */
                r = run_exchange(request, nlh, &exchange, fault);
                if (r < 0 || !exchange.interrupted)
                        return r;
        }
        return nl_fault_set(fault, -EAGAIN, "the kernel's list changed during every dump");
}

int nl_batch_new(NlRequest *request, NlBatchCallback on_fault, void *userdata, NlBatch **ret) {
        NlBatch *batch = malloc(sizeof(*batch) + BATCH_SIZE);

        if (!batch)
                return -ENOMEM;
        *batch = (NlBatch){ .request = request, .on_fault = on_fault, .userdata = userdata };
        *ret = batch;
        return 0;
}

NlBatch *nl_batch_free(NlBatch *batch) {
        free(batch);
        return NULL;
}

void nl_batch_append(NlBatch *batch, const struct nlmsghdr *nlh, size_t tag) {
        size_t size = NLMSG_ALIGN(nlh->nlmsg_len);

        assert(size <= BATCH_SIZE);

        if (batch->size + size > BATCH_SIZE || batch->n == BATCH_MESSAGES_MAX)
                nl_batch_flush(batch);

        batch->last = (struct nlmsghdr *)(batch->buffer + batch->size);
        memset(batch->last, 0, size);
        memcpy(batch->last, nlh, nlh->nlmsg_len);
        batch->last->nlmsg_flags |= NLM_F_REQUEST;
        batch->last->nlmsg_pid = 0;
        batch->last->nlmsg_seq = ++batch->request->sequence;
        if (batch->n == 0)
                batch->sequence = batch->last->nlmsg_seq;
        batch->size += size;
        batch->failed[batch->n] = false;
        batch->tags[batch->n++] = tag;
}

static void batch_on_error(uint32_t sequence, const Fault *fault, void *userdata) {
        NlBatch *batch = userdata;
        size_t i = sequence - batch->sequence;

        if (i >= batch->n || batch->failed[i])
                return;
        batch->failed[i] = true;
        batch->on_fault(batch->tags[i], fault, batch->userdata);
}

void nl_batch_flush(NlBatch *batch) {
        Exchange exchange = { .on_error = batch_on_error, .userdata = batch };
        Fault fault;
        int r;

        if (batch->n == 0)
                return;

        batch->last->nlmsg_flags |= NLM_F_ACK;
        exchange.first = batch->sequence;
        exchange.last = batch->last->nlmsg_seq;

        r = send_bytes(batch->request, batch->buffer, batch->size);
        if (r >= 0)
                r = exchange_finish(&exchange, batch->request);
        if (r < 0) {
                /* Nothing was sent, or answers are lost: none of the silent ones is known good. */
                (void)nl_fault_set(&fault, r, NULL);
                for (size_t i = 0; i < batch->n; i++)
                        batch_on_error(batch->sequence + (uint32_t)i, &fault, batch);
        }
        batch->n = batch->size = 0;
        batch->last = NULL;
}
