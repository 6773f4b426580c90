// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/means/means.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/base/log.h"
#include "backends/cgroup-bpf/cgroup-bpf.h"
#include "backends/nftables/nftables.h"
#include "backends/sockets/sockets.h"
#include "service/means/cgroup2-means.h"
#include "service/means/net-cls-means.h"

struct SplitMeans {
        sd_event *event;
        SplitMeansConfig config;
        uint32_t allowed; /* MECHANISM_BIT */
        Mechanism mechanism;
        char reason[MECHANISM_REASON_MAX];
        Sockets *sockets;
        Cgroup2Means *cgroup2;
        NetClsMeans *net_cls;
        Backend *bpf;
        Engine *engine;
        SplitController *controller;
        Fault fault; /* of the part tried last */
};

static void on_group(const GroupPlace *place, bool gone, void *userdata) {
        SplitMeans *means = userdata;

        if (gone && means->bpf)
                cgroup_bpf_group_gone(means->bpf, place->id);
        if (means->controller)
                split_controller_on_group(means->controller, place, gone);
}

static void on_known(void *userdata) {
        SplitMeans *means = userdata;

        if (means->controller)
                split_controller_on_known(means->controller);
}

static void on_empty(const GroupPlace *place, void *userdata) {
        SplitMeans *means = userdata;

        if (means->mechanism == MECHANISM_NET_CLS && means->controller)
                split_controller_on_group(means->controller, place, /* gone= */ true);
}

static int open_group(uint64_t id, void *userdata) {
        SplitMeans *means = userdata;

        return cgroup2_means_open_group(id, means->cgroup2);
}

/* Trying */

static int try_cgroup2(SplitMeans *means) {
        const Cgroup2MeansListener listener = {
                .on_group = on_group, .on_known = on_known, .userdata = means
        };
        int r;

        if (means->cgroup2)
                r = cgroup2_means_check(means->cgroup2, &means->fault);
        else
                r = cgroup2_means_new(means->event, means->config.cgroup2_mount, means->sockets,
                        &listener, &means->cgroup2, &means->fault);
        if (r >= 0 && means->engine)
                cgroup2_means_set_prepared(means->cgroup2, engine_groups(means->engine));
        return r < 0 ? r : 1;
}

static CgroupBpfConfig bpf_config(const SplitMeansConfig *config) {
        return (CgroupBpfConfig){ .directory = config->bpf_directory, .owner = config->user };
}

static int try_bpf(SplitMeans *means) {
        CgroupBpfConfig config = bpf_config(&means->config);
        int r;

        r = cgroup_bpf_probe(&config, means->bpf, -1, means->fault.text);
        if (r <= 0 || means->bpf)
                return r;
        config.open_group = open_group;
        config.userdata = means;
        r = cgroup_bpf_new(means->event, &config, &means->bpf, &means->fault);
        return r < 0 ? r : 1;
}

static int try_nftables_for(SplitMeans *means, NftablesMechanism mechanism) {
        if (means->config.nftables)
                return nftables_probe(mechanism, &means->fault);
        (void)snprintf(means->fault.text, sizeof(means->fault.text), "there is no nftables here");
        return 0;
}

static int try_nftables(SplitMeans *means) {
        return try_nftables_for(means, NFTABLES_CGROUP2);
}

static int try_nftables_class(SplitMeans *means) {
        return try_nftables_for(means, NFTABLES_NET_CLS);
}

static NetCls *open_net_cls(const SplitMeansConfig *config, bool may_mount, Fault *fault) {
        NetCls *net_cls = NULL;
        bool is_asked = config->net_cls_directory[0];

        (void)net_cls_open(is_asked ? config->net_cls_directory : NULL,
                is_asked && may_mount ? NET_CLS_MAY_MOUNT : 0, &net_cls, fault);
        return net_cls;
}

static int try_net_cls(SplitMeans *means) {
        const NetClsMeansListener listener = { .on_empty = on_empty, .userdata = means };

        if (!means->config.net_cls)
                means->config.net_cls =
                        open_net_cls(&means->config, /* may_mount= */ true, &means->fault);
        if (!means->config.net_cls) {
                /* What was wrong while we were root says more than that we are not any more. */
                if (means->fault.error == -EPERM && means->config.net_cls_fault.error < 0)
                        means->fault = means->config.net_cls_fault;
                return 0;
        }
        if (!means->net_cls && net_cls_means_new(means->event, means->config.net_cls,
                                       means->sockets, &listener, &means->net_cls) < 0)
                return -ENOMEM;
        return 1;
}

static bool try_part(MechanismPart part, const char **why, void *userdata) {
        static int (*const tries[_MECHANISM_PART_MAX])(SplitMeans *) = {
                [MECHANISM_PART_CGROUP2] = try_cgroup2,
                [MECHANISM_PART_BPF] = try_bpf,
                [MECHANISM_PART_NFTABLES] = try_nftables,
                [MECHANISM_PART_NET_CLS] = try_net_cls,
                [MECHANISM_PART_NFTABLES_CLASS] = try_nftables_class,
        };
        SplitMeans *means = userdata;
        int r;

        means->fault = (Fault){ .error = 0 };
        r = tries[part](means);
        *why = means->fault.text[0] ? means->fault.text : strerror(r < 0 ? -r : EOPNOTSUPP);
        return r > 0;
}

/* The one in force */

static NftablesMechanism firewall_of(Mechanism mechanism) {
        return mechanism == MECHANISM_NFTABLES  ? NFTABLES_CGROUP2
               : mechanism == MECHANISM_NET_CLS ? NFTABLES_NET_CLS
                                                : NFTABLES_GUARD_ONLY;
}

static void set_firewall(const SplitMeans *means) {
        if (means->config.nftables)
                nftables_set_mechanism(means->config.nftables, firewall_of(means->mechanism));
}

/* What marks groups; NULL: nothing does. */
static Backend *find_marker(const SplitMeans *means, Mechanism mechanism) {
        return mechanism == MECHANISM_BPF    ? means->bpf
               : mechanism == MECHANISM_NONE ? NULL
                                             : means->config.nftables;
}

/* For the next run: it is written aside and put in place, so that it is whole. */
static void remember(const SplitMeans *means) {
        const char *path = means->config.memory_path, *name = mechanism_name(means->mechanism);
        CLEANUP_FREE char *aside = NULL;
        CLEANUP_FD int fd = -1;

        if (!path)
                return;
        if (asprintf(&aside, "%s.new", path) < 0) {
                aside = NULL;
                return;
        }
        fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 || write(fd, name, strlen(name)) != (ssize_t)strlen(name) ||
                rename(aside, path) < 0)
                log_warning("Cannot write %s: %s", path, strerror(errno));
}

/* Return: what was in force when the last run ended; NONE with *ret_known false. */
static Mechanism recall(const SplitMeans *means, bool *ret_known) {
        char name[16] = "";
        CLEANUP_FD int fd = -1;
        int found;

        *ret_known = false;
        if (!means->config.memory_path)
                return MECHANISM_NONE;
        fd = open(means->config.memory_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || read(fd, name, sizeof(name) - 1) < 0)
                return MECHANISM_NONE;
        found = mechanism_parse(name);
        *ret_known = found >= 0;
        return found < 0 ? MECHANISM_NONE : (Mechanism)found;
}

static void change_to(SplitMeans *means, Mechanism next, const char *reason) {
        const Mechanism before = means->mechanism;

        if (engine_exchange_marker(
                    means->engine, find_marker(means, before), find_marker(means, next)) < 0) {
                log_error("Out of memory for another way to tell processes apart");
                return;
        }
        means->mechanism = next;
        (void)snprintf(means->reason, sizeof(means->reason), "%s", reason);
        log_warning("Processes are told apart by %s from now on, no longer by %s: %s",
                mechanism_name(next), mechanism_name(before), means->reason);
        remember(means);
        set_firewall(means);
        engine_set_matches_groups(means->engine, mechanism_matches_groups(next));
        if (means->controller)
                split_controller_change_mechanism(means->controller, split_means_processes(means),
                        mechanism_name(next), means->reason);
}

/* To the next of @allowed, which may be none. */
static void fall(SplitMeans *means, uint32_t allowed, const Fault *fault) {
        char tried[MECHANISM_REASON_MAX], reason[2 * MECHANISM_REASON_MAX];
        Mechanism next = mechanism_choose(allowed, try_part, means, tried);

        (void)snprintf(reason, sizeof(reason), "%s: %s%s%s", mechanism_name(means->mechanism),
                fault->text[0] ? fault->text : strerror(-fault->error), tried[0] ? "; " : "",
                tried);
        reason[MECHANISM_REASON_MAX - 1] = '\0';
        change_to(means, next, reason);
}

static bool on_marker_failed(const Fault *fault, void *userdata) {
        SplitMeans *means = userdata;
        const Mechanism before = means->mechanism;

        if (!mechanism_is_at_fault(before, fault->error))
                return false;
        fall(means, means->allowed & mechanism_below(before), fault);
        return means->mechanism != before;
}

static bool lists_groups(const SplitMeans *means) {
        const Selector *selector;

        ARRAY_FOREACH(selector, &engine_intent(means->engine)->split.selectors) {
                if (selector->kind == SELECTOR_UNIT || selector->kind == SELECTOR_CGROUP)
                        return true;
        }
        return false;
}

/*
 * Marking may work on where no group can be made: units and groups of others are
 * marked still. They are not given up for a single process, nor is it all for
 * nothing better.
 */
bool split_means_groups_failed(SplitMeans *means, const Fault *fault) {
        char tried[MECHANISM_REASON_MAX];
        uint32_t allowed = means->allowed & mechanism_below(means->mechanism) &
                           MECHANISM_BIT(MECHANISM_NET_CLS);

        if (fault->error != -EROFS || lists_groups(means) ||
                mechanism_choose(allowed, try_part, means, tried) == MECHANISM_NONE)
                return false;
        fall(means, allowed, fault);
        return true;
}

/* Somebody may have made room for one where there was none. */
static void on_refresh(void *userdata) {
        SplitMeans *means = userdata;
        const Split *split = &engine_intent(means->engine)->split;
        bool is_include = !split->disabled && split->mode == SPLIT_INCLUDE;
        char tried[MECHANISM_REASON_MAX];
        Mechanism next;

        if (means->mechanism != MECHANISM_NONE)
                return;
        next = mechanism_choose(means->allowed & mechanism_after(MECHANISM_NONE, is_include),
                try_part, means, tried);
        if (next != MECHANISM_NONE)
                change_to(means, next, "somebody asked to look afresh (Refresh)");
}

/* At the start */

/* Whether it will most likely be taken: then what is meant for net_cls is left alone. */
static bool cgroup2_does(const SplitMeansConfig *config) {
        const CgroupBpfConfig bpf = bpf_config(config);
        char text[CGROUP_BPF_TEXT_MAX];
        Fault fault;

        return cgroup2_means_probe(config->cgroup2_mount) >= 0 &&
               (cgroup_bpf_probe(&bpf, NULL, -1, text) > 0 ||
                       nftables_probe(NFTABLES_CGROUP2, &fault) > 0);
}

static uint32_t allowed_by(const char *forced) {
        return forced[0] ? MECHANISM_ALL & MECHANISM_BIT(mechanism_parse(forced)) : MECHANISM_ALL;
}

void split_means_reserve(SplitMeansConfig *config) {
        const uint32_t allowed = allowed_by(config->forced);
        bool may_mount;

        if (geteuid() != 0 || !(allowed & MECHANISM_BIT(MECHANISM_NET_CLS)))
                return;
        may_mount = allowed == MECHANISM_BIT(MECHANISM_NET_CLS) || !cgroup2_does(config);
        config->net_cls = open_net_cls(config, may_mount, &config->net_cls_fault);
}

static void choose(SplitMeans *means) {
        uint32_t allowed;
        bool is_known;
        Mechanism before;

        if (means->config.blocked) {
                means->mechanism = MECHANISM_NONE;
                (void)snprintf(means->reason, sizeof(means->reason), "%s works on this network",
                        means->config.blocked);
                return;
        }
        before = recall(means, &is_known);
        means->allowed = allowed = allowed_by(means->config.forced);
        if (is_known && means->config.is_wanted &&
                (before == MECHANISM_NONE || !means->config.forced[0]))
                allowed &= mechanism_after(before, means->config.is_include);
        means->mechanism = mechanism_choose(allowed, try_part, means, means->reason);
        if (means->allowed == 0)
                (void)snprintf(means->reason, sizeof(means->reason), "TALPID_MECHANISM is %s",
                        means->config.forced);
        else if (means->reason[0])
                log_info("Processes are told apart by %s, not by a better way: %s",
                        mechanism_name(means->mechanism), means->reason);
        if (allowed == 0 && means->allowed != 0)
                (void)snprintf(means->reason, sizeof(means->reason),
                        "there was none, and nothing is opened by itself in include mode: set mode "
                        "exclude, and call Refresh");
        remember(means);
        set_firewall(means);
}

int split_means_new(const SplitMeansConfig *config, SplitMeans **ret) {
        CLEANUP(split_means_free_p) SplitMeans *means = calloc(1, sizeof(*means));
        int r;

        if (!means) {
                net_cls_free(config->net_cls);
                return -ENOMEM;
        }
        means->config = *config;
        means->event = sd_event_ref(config->event);
        r = sockets_new(&means->sockets);
        if (r < 0)
                return r;
        choose(means);
        *ret = TAKE(means);
        return 0;
}

void split_means_settle(SplitMeans *means) {
        const CgroupBpfConfig config = bpf_config(&means->config);
        Fault fault = { .error = 0 };

        if (!means->bpf && cgroup_bpf_clear(&config, &fault) < 0)
                log_warning("Not all that BPF marked is taken back: %s", fault.text);
}

SplitMeans *split_means_free(SplitMeans *means) {
        if (!means)
                return NULL;

        cgroup_bpf_free(means->bpf);
        net_cls_means_free(means->net_cls);
        if (means->config.net_cls)
                (void)net_cls_remove(means->config.net_cls, NULL); /* unless somebody is in it */
        net_cls_free(means->config.net_cls);
        cgroup2_means_free(means->cgroup2);
        sockets_free(means->sockets);
        sd_event_unref(means->event);
        free(means);
        return NULL;
}

Mechanism split_means_mechanism(const SplitMeans *means) {
        return means->mechanism;
}

const char *split_means_reason(const SplitMeans *means) {
        return means->reason;
}

Backend *split_means_backend(const SplitMeans *means) {
        return means->mechanism == MECHANISM_BPF ? means->bpf : NULL;
}

void split_means_set_engine(SplitMeans *means, Engine *engine) {
        const MarkerListener listener = {
                .on_failed = on_marker_failed, .on_refresh = on_refresh, .userdata = means
        };

        means->engine = engine;
        if (means->cgroup2)
                cgroup2_means_set_prepared(means->cgroup2, engine_groups(engine));
        engine_set_marker_listener(engine, &listener);
        engine_set_matches_groups(engine, mechanism_matches_groups(means->mechanism));
}

void split_means_set_controller(SplitMeans *means, SplitController *controller) {
        means->controller = controller;
}

const SplitProcesses *split_means_processes(const SplitMeans *means) {
        switch (means->mechanism) {
        case MECHANISM_BPF:
        case MECHANISM_NFTABLES:
                return cgroup2_means_processes(means->cgroup2);
        case MECHANISM_NET_CLS:
                return net_cls_means_processes(means->net_cls);
        case MECHANISM_NONE:
        case _MECHANISM_MAX:
                break;
        }
        return NULL;
}

const SplitProcesses *split_means_other_processes(SplitMeans *means) {
        switch (means->mechanism) {
        case MECHANISM_BPF:
        case MECHANISM_NFTABLES:
                return means->config.net_cls && try_net_cls(means) > 0
                               ? net_cls_means_processes(means->net_cls)
                               : NULL;
        case MECHANISM_NET_CLS:
                return try_cgroup2(means) > 0 ? cgroup2_means_processes(means->cgroup2) : NULL;
        case MECHANISM_NONE:
        case _MECHANISM_MAX:
                break;
        }
        return NULL;
}

static void end_groups_of(const SplitProcesses *processes) {
        CLEANUP(array_clear) Array places = ARRAY_INIT(GroupPlace);
        const GroupPlace *place;

        (void)processes->list_groups(&places, processes->userdata);
        ARRAY_FOREACH(place, &places) {
                Fault fault = { .error = 0 };

                if (processes->dissolve(place->path, &fault, processes->userdata) < 0)
                        log_warning("Cannot end the group %s: %s", place->path, fault.text);
        }
}

void split_means_end_groups(SplitMeans *means) {
        if (try_cgroup2(means) > 0) {
                cgroup2_means_set_owner(means->cgroup2, means->config.user);
                end_groups_of(cgroup2_means_processes(means->cgroup2));
        }
        if (try_net_cls(means) > 0)
                end_groups_of(net_cls_means_processes(means->net_cls));
}
