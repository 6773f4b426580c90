// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nftables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/netfilter/nfnetlink.h>

#include "backends/base/log.h"
#include "backends/netlink/nl-error.h"
#include "backends/netlink/nl-request.h"
#include "backends/netlink/nl-watch.h"
#include "backends/nftables/nft-former.h"
#include "backends/nftables/nft-message.h"
#include "backends/nftables/nft-transaction.h"

#define TRIES_MAX 16 /* when others change the ruleset between our look and our write */

typedef struct Nftables {
        Backend backend; /* first: a Backend is all that callers see */
        BackendInterface interface;
        NftablesMechanism mechanism;
        NftTransaction *transaction;
        NlRequest *request;
        NlWatch *watch;
        sd_event_source *deferred; /* reports a loss that apply() came across */
        FactSet content;           /* what the table says, as far as we know */
        NftFlows flows;            /* that were given marks since there is a table */
        Array former;              // MarkedGroup, see nft-former.h
        bool knows_former;         /* of the last run */
        bool redirects_nothing;    /* this kernel has no NAT, as it turned out */
        bool is_started;           /* a resync was asked for: reports are wanted */

        /* The table is ours: we wrote it, and nobody else's can be in its place unseen. */
        bool is_written;
        uint64_t handle; /* of the table as written; 0: there is none */

        bool is_lost;  /* changed by others, to be reported at the end of the turn */
        bool is_quiet; /* … but not now */
        uint32_t author;
} Nftables;

static const Fact key_of_base = { .kind = FACT_FILTER, .filter = { .kind = FILTER_BASE } };

static bool has_base(const FactSet *facts) {
        return fact_set_find(facts, &key_of_base);
}

static int on_table(const struct nlmsghdr *nlh, void *userdata) {
        int r = nft_message_decode_table(nlh, userdata);

        return r < 0 ? r : 0;
}

/* Return: 1 a table of our name is there; 0 none; negative errno. */
static int find_table(Nftables *nftables, NftTableInfo *ret) {
        char buffer[NFT_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
        NftTableInfo info = { 0 };
        int r = nl_request_send(
                nftables->request, nft_message_get_table(buffer), on_table, &info, NULL);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        *ret = info;
        return info.handle != 0;
}

static int on_generation(const struct nlmsghdr *nlh, void *userdata) {
        int r = nft_message_decode_generation(nlh, userdata);

        return r < 0 ? r : 0;
}

static int find_generation(Nftables *nftables, uint32_t *ret) {
        char buffer[NFT_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));

        return nl_request_send(
                nftables->request, nft_message_get_generation(buffer), on_generation, ret, NULL);
}

/* Return: 0 the place is free or holds a table of ours; -EEXIST; negative errno. */
static int check_place(Nftables *nftables, Fault *fault) {
        NftTableInfo info;
        int r = find_table(nftables, &info);

        if (r < 0)
                return nl_fault_set(fault, r, NULL);
        if (r > 0 && info.holder)
                return fault_set(fault, -EEXIST,
                        "a firewall table `inet talpid` is there that process %u holds; end that, "
                        "and the table goes with it",
                        info.holder);
        if (r > 0 && !info.is_ours)
                return nl_fault_set(fault, -EEXIST,
                        "a firewall table `inet talpid` that is not ours is there; remove it with "
                        "`nft delete table inet talpid`");
        return 0;
}

/*
 * Writes @facts. Before the first write, and the first after others changed
 * something, the place is looked at: it may hold a table of theirs. The write
 * is bound to the ruleset that was looked at.
 */
static int write_once(Nftables *nftables, const FactSet *facts, const Array *former, Fault *fault) {
        const NftPast past = { nftables->flows, former->items, former->n,
                nftables->redirects_nothing };
        CLEANUP(nft_batch_clear) NftBatch batch = NFT_BATCH_INIT;
        uint32_t generation = 0;
        int r = 0;

        if (!nftables->is_written || nftables->is_lost) {
                r = find_generation(nftables, &generation);
                if (r < 0)
                        return nl_fault_set(fault, r, NULL);
                r = check_place(nftables, fault);
                if (r < 0)
                        return r;
        }
        r = nft_codec_encode(facts, nftables->mechanism, &past, generation, &batch);
        if (r < 0)
                return nl_fault_set(fault, r, NULL);
        return nft_transaction_send(nftables->transaction, &batch, fault);
}

/* The first write replaces the table where the last run wrote down its own. */
static int gather_former(const Nftables *nftables, const FactSet *facts, Array *former) {
        int r = 0;

        if (!nftables->knows_former && nftables->mechanism == NFTABLES_CGROUP2)
                r = nft_former_read(
                        former, &fact_set_find(facts, &key_of_base)->filter, nftables->request);
        return r < 0 ? r : nft_former_note(former, &nftables->content, facts);
}

/* Perhaps: kernels say it in many ways. Without it, questions of users are refused. */
static bool is_for_want_of_nat(const Nftables *nftables, const FactSet *facts, int r) {
        const Fact *fact;

        if (r >= 0 || r == -EEXIST || r == -ENOMEM || nftables->redirects_nothing)
                return false;
        ARRAY_FOREACH(fact, &facts->facts) {
                if (fact->kind == FACT_FILTER && fact->filter.kind == FILTER_RESOLVER)
                        return true;
        }
        return false;
}

static int write_table(Nftables *nftables, const FactSet *facts, Fault *fault) {
        CLEANUP(array_clear) Array former = ARRAY_INIT(MarkedGroup);
        NftTableInfo info = { 0 };
        int r = array_copy(&former, &nftables->former);

        if (r >= 0 && has_base(facts))
                r = gather_former(nftables, facts, &former);
        if (r < 0)
                return nl_fault_set(fault, r, NULL);
        r = -ERESTART;
        for (unsigned i = 0; r == -ERESTART && i < TRIES_MAX; i++)
                r = write_once(nftables, facts, &former, fault);
        if (is_for_want_of_nat(nftables, facts, r)) {
                nftables->redirects_nothing = true;
                r = write_table(nftables, facts, fault);
                nftables->redirects_nothing = r >= 0;
                return r;
        }
        if (r < 0)
                return r;
        array_clear(&nftables->former);
        if (has_base(facts)) {
                nftables->former = former;
                former = ARRAY_INIT(MarkedGroup);
        }
        nftables->is_written = nftables->knows_former = true;
        nftables->flows =
                has_base(facts) ? nftables->flows | nft_codec_flows(facts, nftables->mechanism) : 0;
        nftables->handle = find_table(nftables, &info) > 0 ? info.handle : 0;
        return 0;
}

/* What others did before is undone by the write, so it is no loss any more. */
static int replace_table(Nftables *nftables, const FactSet *facts, Fault *fault) {
        int r;

        nftables->is_quiet = true;
        nl_watch_drain(nftables->watch);
        nftables->is_quiet = false;

        r = write_table(nftables, facts, fault);
        if (r >= 0)
                nftables->is_lost = false;
        else if (nftables->is_lost)
                (void)sd_event_source_set_enabled(nftables->deferred, SD_EVENT_ONESHOT);
        return r;
}

/*
 * Merges one operation into @content. Return: 0; negative errno in @fault.
 * Removing a base always means: no table, even if we know of none.
 */
static int merge(Nftables *nftables, FactSet *content, const Operation *operation, bool *removes,
        Fault *fault) {
        const char *why = NULL;
        int r;

        if (operation->verb == OPERATION_REMOVE) {
                (void)fact_set_remove(content, &operation->fact); /* already gone is success */
                *removes |= fact_compare_key(&operation->fact, &key_of_base) == 0;
                return nl_fault_set(fault, 0, NULL);
        }
        r = nft_codec_check(&operation->fact, nftables->mechanism, &why);
        if (r < 0)
                return nl_fault_set(fault, r, why);
        if (operation->verb == OPERATION_ADD && fact_set_find(content, &operation->fact))
                return nl_fault_set(fault, -EEXIST, NULL);
        return nl_fault_set(fault, fact_set_put(content, &operation->fact), NULL);
}

static size_t fail_all(Fault *faults, size_t n, const Fault *fault) {
        for (size_t i = 0; i < n; i++)
                if (faults[i].error == 0)
                        faults[i] = *fault;
        return n;
}

/*
 * Items that come before their base are only kept: whatever stands there,
 * perhaps a damaged table that still guards, is not taken away for them.
 */
static size_t nftables_apply(
        Backend *backend, const Operation *operations, size_t n, Fault *faults) {
        Nftables *nftables = (Nftables *)backend;
        CLEANUP(fact_set_clear) FactSet content = FACT_SET_INIT;
        size_t n_failed = 0;
        bool removes = false;
        Fault fault;

        if (fact_set_copy(&content, &nftables->content) < 0) {
                (void)nl_fault_set(&fault, -ENOMEM, NULL);
                for (size_t i = 0; i < n; i++)
                        faults[i] = fault;
                return n;
        }
        for (size_t i = 0; i < n; i++)
                n_failed += merge(nftables, &content, &operations[i], &removes, &faults[i]) < 0;
        if (n_failed == n)
                return n;
        if ((has_base(&content) || removes) && replace_table(nftables, &content, &fault) < 0)
                return fail_all(faults, n, &fault);

        fact_set_clear(&nftables->content);
        nftables->content = content;
        content = FACT_SET_INIT;
        return n_failed;
}

static void report_loss(Nftables *nftables) {
        const BackendSink *sink = &nftables->backend.sink;
        CLEANUP(array_clear) Array changes = ARRAY_INIT(FactChange);
        CLEANUP(fact_set_clear) FactSet lost = nftables->content;
        FactSet none = FACT_SET_INIT;
        const Fact *fact;

        (void)nft_former_note(&nftables->former, &nftables->content, &none);
        nftables->is_lost = nftables->is_written = false;
        nftables->handle = 0;
        nftables->content = FACT_SET_INIT;
        if (!nftables->is_started || lost.facts.n == 0)
                return;

        ARRAY_FOREACH(fact, &lost.facts) {
                const FactChange change = {
                        .fact = *fact, .removed = true, .author = nftables->author
                };

                if (!array_append(&changes, &change)) {
                        /* An empty list of all kinds says the same. */
                        if (sink->on_resync)
                                sink->on_resync(nftables->interface.kinds, &none, sink->userdata);
                        return;
                }
        }
        if (sink->on_changes)
                sink->on_changes(changes.items, changes.n, sink->userdata);
}

static void on_message(const struct nlmsghdr *nlh, void *userdata) {
        Nftables *nftables = userdata;

        if (nlh->nlmsg_pid == nft_transaction_port(nftables->transaction) ||
                !nft_message_is_about_us(nlh))
                return;
        if (!nftables->is_lost)
                nftables->author = nlh->nlmsg_pid;
        nftables->is_lost = true;
}

static void on_overrun(void *userdata) {
        Nftables *nftables = userdata;

        log_debug("Lost notifications of nftables, taking our table as changed");
        if (!nftables->is_lost)
                nftables->author = 0;
        nftables->is_lost = true;
}

static void on_turn_end(bool is_empty, void *userdata) {
        Nftables *nftables = userdata;

        if (nftables->is_lost && !nftables->is_quiet)
                report_loss(nftables);
}

static int on_deferred(sd_event_source *source, void *userdata) {
        on_turn_end(/* is_empty= */ false, userdata);
        return 0;
}

/* Return: 1 the table is as we wrote it; 0 not, or it is not ours; negative errno. */
static int verify(Nftables *nftables, bool *ret_left_behind) {
        NftTableInfo info;
        int r = find_table(nftables, &info);

        if (r < 0)
                return r;
        *ret_left_behind = r > 0 && info.is_ours;
        return nftables->is_written && !nftables->is_lost &&
               (r > 0 ? info.handle : 0) == nftables->handle &&
               (r > 0) == has_base(&nftables->content);
}

static int nftables_resync(Backend *backend) {
        Nftables *nftables = (Nftables *)backend;
        const BackendSink *sink = &backend->sink;
        CLEANUP(fact_set_clear) FactSet facts = FACT_SET_INIT;
        bool left_behind;
        int r;

        nftables->is_quiet = true; /* what waits is part of the answer */
        nl_watch_drain(nftables->watch);
        nftables->is_quiet = false;
        nftables->is_started = true;

        r = verify(nftables, &left_behind);
        if (r == 0) {
                (void)nft_former_note(&nftables->former, &nftables->content, &facts);
                fact_set_clear(&nftables->content);
                nftables->is_lost = false;
                nftables->handle = 0;
                if (left_behind)
                        r = fact_set_put(&facts, &key_of_base);
        } else if (r > 0)
                r = fact_set_copy(&facts, &nftables->content);
        if (r < 0)
                return r;
        if (sink->on_resync)
                sink->on_resync(nftables->interface.kinds, &facts, sink->userdata);
        return 0;
}

/* All messages of one notification have one author, so a look at the first is enough. */
static int attach_filter(Nftables *nftables) {
        const struct sock_filter program[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                        htonl(nft_transaction_port(nftables->transaction)), 0, 1),
                BPF_STMT(BPF_RET | BPF_K, 0),
                BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        };

        return nl_watch_set_filter(nftables->watch, program, ARRAY_LENGTH(program));
}

static Nftables *nftables_unmake(Nftables *nftables) {
        if (!nftables)
                return NULL;
        nftables->deferred = sd_event_source_disable_unref(nftables->deferred);
        nftables->watch = nl_watch_free(nftables->watch);
        nftables->request = nl_request_free(nftables->request);
        nftables->transaction = nft_transaction_free(nftables->transaction);
        fact_set_clear(&nftables->content);
        array_clear(&nftables->former);
        free(nftables);
        return NULL;
}
DEFINE_CLEANUP(Nftables *, nftables_unmake);

int nftables_new(sd_event *event, NftablesMechanism mechanism, Backend **ret) {
        CLEANUP(nftables_unmake_p) Nftables *nftables = calloc(1, sizeof(*nftables));
        NlWatchListener listener = { on_message, on_overrun, on_turn_end, nftables };
        int r;

        if (!nftables)
                return -ENOMEM;
        nftables->interface = (BackendInterface){
                .name = "nftables",
                .kinds = nft_codec_kinds(mechanism),
                .resync = nftables_resync,
                .apply = nftables_apply,
        };
        nftables->backend.interface = &nftables->interface;
        nftables->mechanism = mechanism;
        nftables->content = FACT_SET_INIT;
        nftables->former = ARRAY_INIT(MarkedGroup);

        r = nft_transaction_new(&nftables->transaction);
        if (r >= 0)
                r = nl_request_new(NETLINK_NETFILTER, &nftables->request);
        if (r >= 0)
                r = nl_watch_new(event, NETLINK_NETFILTER, &listener, &nftables->watch);
        if (r >= 0)
                r = sd_event_add_defer(event, &nftables->deferred, on_deferred, nftables);
        if (r >= 0)
                r = sd_event_source_set_enabled(nftables->deferred, SD_EVENT_OFF);
        if (r >= 0)
                r = attach_filter(nftables);
        if (r >= 0)
                r = nl_watch_join(nftables->watch, NFNLGRP_NFTABLES);
        if (r < 0)
                return r;

        *ret = &TAKE(nftables)->backend;
        return 0;
}

void nftables_set_mechanism(Backend *backend, NftablesMechanism mechanism) {
        Nftables *nftables = (Nftables *)backend;
        Fact *facts = nftables->content.facts.items;
        size_t n = 0;

        for (size_t i = 0; i < nftables->content.facts.n; i++)
                if (facts[i].kind == FACT_FILTER)
                        facts[n++] = facts[i];
        nftables->content.facts.n = n;
        array_clear(&nftables->former); /* they are numbered otherwise, or are nobody's of ours */
        nftables->mechanism = mechanism;
        nftables->interface.kinds = nft_codec_kinds(mechanism);
}

Backend *nftables_free(Backend *backend) {
        (void)nftables_unmake((Nftables *)backend);
        return NULL;
}

static int probe(NftablesMechanism mechanism, NftFlows flows, Fault *fault) {
        CLEANUP(nft_transaction_free_p) NftTransaction *transaction = NULL;
        CLEANUP(nft_batch_clear) NftBatch batch = NFT_BATCH_INIT;
        int r = nft_transaction_new(&transaction);

        if (r >= 0)
                r = nft_codec_encode_probe(mechanism, flows, &batch);
        if (r < 0)
                return nl_fault_set(fault, r, NULL);
        r = nft_transaction_send(transaction, &batch, fault);
        if (r == -ENOENT || r == -EOPNOTSUPP || r == -EINVAL)
                return 0; /* an expression, a chain type or a key this kernel does not know */
        return r < 0 ? r : 1;
}

/* Conntrack comes first: all that groups need takes it. */
static void tell_missing(NftablesMechanism mechanism, Fault *fault) {
        const char *what = mechanism == NFTABLES_CGROUP2 ? "match cgroup2 groups (nft_socket)"
                                                         : "match classes of net_cls";
        char text[sizeof(fault->text)];

        if (probe(NFTABLES_GUARD_ONLY, NFT_FLOWS_FORWARDED, NULL) <= 0)
                what = "follow flows (conntrack)";
        (void)snprintf(
                text, sizeof(text), "this kernel's firewall cannot %s: %.150s", what, fault->text);
        (void)nl_fault_set(fault, fault->error, text);
}

int nftables_probe(NftablesMechanism mechanism, Fault *fault) {
        Fault missing = { .error = 0 };
        int r = probe(mechanism, 0, &missing);

        if (r <= 0 && mechanism != NFTABLES_GUARD_ONLY)
                tell_missing(mechanism, &missing);
        if (fault)
                *fault = missing;
        return r;
}
