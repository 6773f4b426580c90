// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-transaction.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/netlink.h>

#include "backends/netlink/nl-error.h"
#include "backends/netlink/nl-socket.h"

#define BUFFER_SIZE ((size_t)64 * 1024)
#define RECEIVE_QUEUE_SIZE (4 * 1024 * 1024)

struct NftTransaction {
        int fd;
        uint32_t port;
        char *buffer; /* BUFFER_SIZE */
};

int nft_transaction_new(NftTransaction **ret) {
        CLEANUP(nft_transaction_free_p)
        NftTransaction *transaction = calloc(1, sizeof(*transaction));
        int on = 1, r;

        if (!transaction)
                return -ENOMEM;
        transaction->fd = -1;
        transaction->buffer = malloc(BUFFER_SIZE);
        if (!transaction->buffer)
                return -ENOMEM;
        r = nl_socket_open(
                NETLINK_NETFILTER, RECEIVE_QUEUE_SIZE, &transaction->fd, &transaction->port);
        if (r < 0)
                return r;
        /* Without them (before 4.12 and 4.3) there is no text, and errors repeat our bytes. */
        (void)setsockopt(transaction->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
        (void)setsockopt(transaction->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
        *ret = TAKE(transaction);
        return 0;
}

NftTransaction *nft_transaction_free(NftTransaction *transaction) {
        if (!transaction)
                return NULL;
        transaction->fd = fd_close(transaction->fd);
        free(transaction->buffer);
        free(transaction);
        return NULL;
}

uint32_t nft_transaction_port(const NftTransaction *transaction) {
        return transaction->port;
}

/* A datagram larger than the send buffer is refused (netlink_sendmsg(), EMSGSIZE). */
static void grow_send_buffer(int fd, size_t size) {
        int wanted = (int)size + 4096;

        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) < 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
}

static int send_whole(int fd, const NftBatch *batch) {
        ssize_t n;

        do
                n = send(fd, batch->bytes, batch->size, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

/* What the answers add up to. */
typedef struct Outcome {
        uint32_t last; /* the message that was asked for an ack */
        bool is_acked;
        Fault fault; /* the first */
} Outcome;

static void feed(Outcome *outcome, const struct nlmsghdr *nlh) {
        Fault fault;

        if (nlh->nlmsg_type != NLMSG_ERROR)
                return;
        if (nl_error_decode(nlh, &fault) == 0)
                outcome->is_acked |= nlh->nlmsg_seq == outcome->last;
        else if (outcome->fault.error == 0)
                outcome->fault = fault;
}

/* Return: 0 when the queue is empty; negative errno. */
static int receive_all(NftTransaction *transaction, Outcome *outcome) {
        for (;;) {
                ssize_t n = nl_socket_receive(transaction->fd, transaction->buffer, BUFFER_SIZE);
                const struct nlmsghdr *nlh = (const struct nlmsghdr *)transaction->buffer;
                int left = (int)n;

                if (n < 0)
                        return n == -EAGAIN ? 0 : (int)n;
                for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
                        if (outcome)
                                feed(outcome, nlh);
        }
}

int nft_transaction_send(NftTransaction *transaction, const NftBatch *batch, Fault *fault) {
        Outcome outcome = { .last = batch->sequence };
        int r;

        (void)receive_all(transaction, NULL); /* of a transaction that was given up */
        grow_send_buffer(transaction->fd, batch->size);
        r = send_whole(transaction->fd, batch);
        if (r >= 0)
                r = receive_all(transaction, &outcome);
        if (outcome.fault.error < 0)
                return nl_fault_set(fault, outcome.fault.error, outcome.fault.text);
        if (r >= 0 && !outcome.is_acked)
                r = -EIO;
        return nl_fault_set(fault, r, NULL);
}
