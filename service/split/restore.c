// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backends/base/log.h"
#include "service/engine/state-file.h"
#include "service/split/controller-private.h"
#include "service/split/permanent.h"

int split_controller_check_permanent(const SplitController *controller, Refusal *why) {
        if (controller->config.permanent_path)
                return 0;
        return refusal_set(why, REFUSAL_BACKEND_UNAVAILABLE,
                "nothing can be permanent: the service has no state directory (STATE_DIRECTORY)");
}

void split_controller_keep(SplitController *controller, const SplitChange *change) {
        if (change->has_enabled)
                controller->kept.disabled = !change->enabled;
        if (change->has_mode)
                controller->kept.mode = change->mode;
        if (change->has_dns)
                controller->kept.dns = change->dns;
        controller_sync_later(controller);
}

void restore_save(SplitController *controller, const Intent *intent) {
        int r;

        if (!controller->config.permanent_path)
                return;
        r = permanent_update(&controller->permanent, intent, &controller->kept);
        if (r > 0)
                r = state_file_write(controller->config.permanent_path, &controller->permanent);
        if (r < 0)
                log_error("Cannot save what is permanent to %s: %s",
                        controller->config.permanent_path, strerror(-r));
}

static void submit_all(SplitController *controller, Array *changes) {
        IntentChange *change;

        ARRAY_FOREACH(change, changes) {
                int r = engine_submit(controller->config.engine, change, NULL, NULL);

                if (r < 0)
                        log_error("Cannot restore what is permanent: %s", strerror(-r));
                intent_change_clear(change);
        }
}

int restore_once(SplitController *controller) {
        CLEANUP(array_clear) Array changes = ARRAY_INIT(IntentChange);
        const char *path = controller->config.permanent_path;
        CLEANUP_FD int marker = -1;
        int r;

        if (!path)
                return 0;
        r = state_file_read(path, &controller->permanent);
        if (r < 0) {
                log_error("Cannot read %s: %s; nothing permanent is restored", path, strerror(-r));
                return 0;
        }
        controller->kept.disabled = controller->permanent.split.disabled;
        controller->kept.mode = controller->permanent.split.mode;
        controller->kept.dns = controller->permanent.split.dns;

        marker = open(controller->config.restored_path,
                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (marker < 0)
                return errno == EEXIST ? 0 : -errno;
        if (r == 0)
                return 0;
        r = permanent_make_changes(&controller->permanent, &changes);
        submit_all(controller, &changes);
        return r;
}
