// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/mechanism.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/base/cleanup.h"

static const char *const names[_MECHANISM_MAX] = {
        [MECHANISM_BPF] = "bpf",
        [MECHANISM_NFTABLES] = "nftables",
        [MECHANISM_NET_CLS] = "net_cls",
        [MECHANISM_NONE] = "none",
};

static const char *const part_names[_MECHANISM_PART_MAX] = {
        [MECHANISM_PART_CGROUP2] = "control groups",
        [MECHANISM_PART_BPF] = "bpf",
        [MECHANISM_PART_NFTABLES] = "nftables",
        [MECHANISM_PART_NET_CLS] = "net_cls",
        [MECHANISM_PART_NFTABLES_CLASS] = "nftables",
};

/* What each one needs, in the order of trying. */
static const MechanismPart needs[MECHANISM_NONE][2] = {
        [MECHANISM_BPF] = { MECHANISM_PART_CGROUP2, MECHANISM_PART_BPF },
        [MECHANISM_NFTABLES] = { MECHANISM_PART_CGROUP2, MECHANISM_PART_NFTABLES },
        [MECHANISM_NET_CLS] = { MECHANISM_PART_NET_CLS, MECHANISM_PART_NFTABLES_CLASS },
};

const char *mechanism_name(Mechanism mechanism) {
        return names[mechanism];
}

int mechanism_parse(const char *name) {
        for (int i = 0; i < _MECHANISM_MAX; i++)
                if (strcmp(names[i], name) == 0)
                        return i;
        return -EINVAL;
}

bool mechanism_matches_groups(Mechanism mechanism) {
        return mechanism == MECHANISM_BPF || mechanism == MECHANISM_NFTABLES;
}

uint32_t mechanism_below(Mechanism mechanism) {
        return MECHANISM_ALL & ~(MECHANISM_BIT(mechanism + 1) - 1);
}

uint32_t mechanism_after(Mechanism before, bool is_include) {
        if (before == MECHANISM_NONE)
                return is_include ? 0 : MECHANISM_ALL;
        return MECHANISM_BIT(before) | mechanism_below(before);
}

/* What is known of a part. */
typedef enum Known {
        KNOWN_NOT,
        KNOWN_THERE,
        KNOWN_MISSING,
} Known;

static void append_reason(
        char reason[static MECHANISM_REASON_MAX], MechanismPart part, const char *why) {
        size_t length = strlen(reason);

        (void)snprintf(reason + length, MECHANISM_REASON_MAX - length, "%s%s: %s",
                length > 0 ? "; " : "", part_names[part], why);
}

Mechanism mechanism_choose(uint32_t allowed, MechanismTry try_part, void *userdata,
        char reason[static MECHANISM_REASON_MAX]) {
        Known known[_MECHANISM_PART_MAX] = { KNOWN_NOT };
        Mechanism mechanism;

        reason[0] = '\0';
        for (mechanism = MECHANISM_BPF; mechanism < MECHANISM_NONE; mechanism++) {
                bool is_missing = false;

                if (!(allowed & MECHANISM_BIT(mechanism)))
                        continue;
                for (size_t i = 0; !is_missing && i < ARRAY_LENGTH(needs[mechanism]); i++) {
                        MechanismPart part = needs[mechanism][i];
                        const char *why = "";

                        if (known[part] == KNOWN_NOT) {
                                known[part] = try_part(part, &why, userdata) ? KNOWN_THERE
                                                                             : KNOWN_MISSING;
                                if (known[part] == KNOWN_MISSING)
                                        append_reason(reason, part, why);
                        }
                        is_missing = known[part] == KNOWN_MISSING;
                }
                if (!is_missing)
                        break;
        }
        return mechanism;
}

bool mechanism_is_at_fault(Mechanism mechanism, int error) {
        switch (-error) {
        case ENOENT: /* the group is gone */
        case ENODEV:
        case ESTALE:
        case ENOMEM: /* this passes */
        case ENFILE:
        case EMFILE:
        case ENOBUFS:
        case EAGAIN:
        case EINTR:
        case ERESTART:
                return false;
        case ERANGE: /* the group is too deep for a table: for any other one, too */
                return mechanism == MECHANISM_BPF;
        default:
                return mechanism != MECHANISM_NONE && error < 0;
        }
}
