// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/requests.h"

#include <errno.h>
#include <unistd.h>

#include "service/split/controller-private.h"
#include "service/split/members.h"
#include "service/split/move-in.h"
#include "service/split/request.h"

bool requests_are_at(const SplitController *controller, const char *path) {
        for (const Request *request = controller->requests; request; request = request->next)
                if (request_has_place(request, path))
                        return true;
        return false;
}

int split_controller_check_process(
        const SplitController *controller, const SplitProcess *process, Refusal *why) {
        if (process->pid == 1)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "process 1 is the init process, which starts everything else");
        if (process->pid == getpid())
                return refusal_set(
                        why, REFUSAL_INVALID_ARGS, "process %d is this service", process->pid);
        if (process->is_kernel_thread)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "process %d is a thread of the kernel", process->pid);
        return 0;
}

/* Those that are in no group yet. */
static size_t count_coming(const SplitController *controller, uid_t uid) {
        size_t n = 0;

        for (const Request *request = controller->requests; request; request = request->next)
                n += request->is_exclude && !request->is_moved && request->asked.process.pid > 0 &&
                     request->asked.process.uid == uid;
        return n;
}

bool requests_leave_room(const SplitController *controller, uid_t uid, size_t n_more) {
        size_t n = count_coming(controller, uid) + n_more;

        return n <= SPLIT_PROCESSES_PER_USER_MAX &&
               !members_are_more_than(controller, uid, SPLIT_PROCESSES_PER_USER_MAX - n);
}

int split_controller_check_room(
        const SplitController *controller, const SplitProcess *process, Refusal *why) {
        if (!requests_leave_room(controller, process->uid, 1))
                return members_refuse_more(process->uid, why);
        return 0;
}

int split_controller_exclude(SplitController *controller, SplitRequest *asked, SplitDone done,
        void *userdata, Refusal *why) {
        CLEANUP(request_free_p) Request *request = NULL;
        int r;

        r = split_controller_check_available(controller, why);
        if (r >= 0)
                r = split_controller_check_process(controller, &asked->process, why);
        if (r < 0)
                return r;
        request = request_new(controller, asked, done, userdata);
        if (!request)
                return -ENOMEM;
        request->is_exclude = true;

        r = move_in_start(request, why);
        if (r < 0)
                return r;
        request = NULL;
        return 0;
}

int split_controller_include(SplitController *controller, SplitRequest *asked, SplitDone done,
        void *userdata, Refusal *why) {
        CLEANUP(request_free_p) Request *request = NULL;
        Fault fault = { .error = 0 };
        int r;

        r = split_controller_check_available(controller, why);
        if (r < 0)
                return r;
        request = request_new(controller, asked, done, userdata);
        if (!request || request_note_births(request) < 0)
                return -ENOMEM;

        r = members_bring_back(controller, &request->asked.process, request->asked.children, "",
                "request", &request->pids, &fault);
        if (r < 0)
                request->result =
                        request_refuse_fault(request->asked.process.pid, r, &fault, &request->why);
        request->answer.n_moved = (unsigned)request->pids.n;
        request_sweep(request);
        r = request_finish_later(request);
        if (r >= 0)
                request = NULL;
        return r < 0 ? r : 0;
}

int split_controller_clear(SplitController *controller, uid_t uid, bool everybody,
        SplitSockets sockets, SplitDone done, void *userdata, Refusal *why) {
        CLEANUP(request_free_p) Request *request = NULL;
        SplitRequest asked = { .process = SPLIT_PROCESS_NONE, .sockets = sockets };
        const SplitGroup *group = NULL;
        int r;

        request = request_new(controller, &asked, done, userdata);
        if (!request || request_note_births(request) < 0)
                return -ENOMEM;

        while (controller->config.processes &&
                (group = split_next_group(controller_split(controller), group))) {
                Fault fault = { .error = 0 };
                pid_t failed;
                int one;

                one = members_bring_back_of(controller, group->path, uid, everybody, "cleared",
                        &request->pids, &failed, &fault);
                if (one < 0 && request->result >= 0)
                        request->result = request_refuse_fault(failed, one, &fault, &request->why);
        }
        request->answer.n_moved = (unsigned)request->pids.n;
        request_sweep(request);
        r = request_finish_later(request);
        if (r >= 0)
                request = NULL;
        return r < 0 ? r : 0;
}

size_t split_controller_n_requests(const SplitController *controller) {
        return controller->n_requests;
}

void requests_forget(SplitController *controller) {
        while (controller->requests)
                request_free(controller->requests);
}
