// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/pending-call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"
#include "service/bus/errors.h"

struct PendingCalls {
        PendingCall *first;
        size_t n;
};

struct PendingCall {
        PendingCalls *calls;
        PendingCall *previous, *next;
        sd_bus_message *message;
};

int pending_calls_new(PendingCalls **ret) {
        PendingCalls *calls = calloc(1, sizeof(*calls));

        if (!calls)
                return -ENOMEM;
        *ret = calls;
        return 0;
}

PendingCalls *pending_calls_free(PendingCalls *calls) {
        if (!calls)
                return NULL;

        while (calls->first)
                pending_call_on_done(-ECANCELED, NULL, calls->first);
        free(calls);
        return NULL;
}

size_t pending_calls_count(const PendingCalls *calls) {
        return calls->n;
}

int pending_call_new(PendingCalls *calls, sd_bus_message *message, PendingCall **ret) {
        PendingCall *call = calloc(1, sizeof(*call));

        if (!call)
                return -ENOMEM;

        call->calls = calls;
        call->message = sd_bus_message_ref(message);
        call->next = calls->first;
        if (call->next)
                call->next->previous = call;
        calls->first = call;
        calls->n++;
        *ret = call;
        return 0;
}

sd_bus_message *pending_call_message(const PendingCall *call) {
        return call->message;
}

PendingCall *pending_call_free(PendingCall *call) {
        if (!call)
                return NULL;

        if (call->previous)
                call->previous->next = call->next;
        else
                call->calls->first = call->next;
        if (call->next)
                call->next->previous = call->previous;
        call->calls->n--;

        sd_bus_message_unref(call->message);
        free(call);
        return NULL;
}

void pending_call_on_done(int result, const Refusal *why, void *userdata) {
        CLEANUP(pending_call_free_p) PendingCall *call = userdata;
        CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (result >= 0)
                r = sd_bus_reply_method_return(call->message, NULL);
        else {
                (void)errors_set(&error, result, why);
                r = sd_bus_reply_method_error(call->message, &error);
        }
        if (r < 0)
                log_debug("Cannot answer %s: %s", sd_bus_message_get_member(call->message),
                        strerror(-r));
}
