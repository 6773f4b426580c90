// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/errors.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "service/bus/text.h"

#define ERROR_PREFIX "org.talpid.Error."

static const char *const refusal_names[_REFUSAL_CODE_MAX] = {
        [REFUSAL_NONE] = ERROR_PREFIX "BackendUnavailable",
        [REFUSAL_INVALID_ARGS] = SD_BUS_ERROR_INVALID_ARGS,
        [REFUSAL_LIMITS_EXCEEDED] = SD_BUS_ERROR_LIMITS_EXCEEDED,
        [REFUSAL_NOT_SUPPORTED] = SD_BUS_ERROR_NOT_SUPPORTED,
        [REFUSAL_NO_SUCH_LINK] = ERROR_PREFIX "NoSuchLink",
        [REFUSAL_NO_SUCH_ROUTE] = ERROR_PREFIX "NoSuchRoute",
        [REFUSAL_NO_SUCH_SELECTOR] = ERROR_PREFIX "NoSuchSelector",
        [REFUSAL_ROUTE_EXISTS] = ERROR_PREFIX "RouteExists",
        [REFUSAL_TUNNEL_EXISTS] = ERROR_PREFIX "TunnelExists",
        [REFUSAL_NO_TUNNEL] = ERROR_PREFIX "NoTunnel",
        [REFUSAL_DEVICE_HELD] = ERROR_PREFIX "DeviceHeld",
        [REFUSAL_OTHER_INSTANCE] = ERROR_PREFIX "OtherInstance",
        [REFUSAL_NO_DEFAULT_ROUTE] = ERROR_PREFIX "NoDefaultRoute",
        [REFUSAL_PROCESS_GONE] = ERROR_PREFIX "ProcessGone",
        [REFUSAL_BACKEND_UNAVAILABLE] = ERROR_PREFIX "BackendUnavailable",
};

static const sd_bus_error_map error_map[] = {
        SD_BUS_ERROR_MAP(ERROR_PREFIX "NoSuchLink", ENODEV),
        SD_BUS_ERROR_MAP(ERROR_PREFIX "NoSuchRoute", ESRCH),
        SD_BUS_ERROR_MAP(ERROR_PREFIX "RouteExists", EEXIST),
        SD_BUS_ERROR_MAP(ERROR_PREFIX "TunnelExists", EBUSY),
        SD_BUS_ERROR_MAP(ERROR_PREFIX "NoTunnel", ENOENT),
        SD_BUS_ERROR_MAP(ERROR_PREFIX "DeviceHeld", EBUSY),
        SD_BUS_ERROR_MAP(ERROR_PREFIX "OtherInstance", EBUSY),
        SD_BUS_ERROR_MAP(ERROR_PREFIX "NoDefaultRoute", ENETUNREACH),
        SD_BUS_ERROR_MAP(ERROR_PREFIX "NoSuchSelector", ENOENT),
        SD_BUS_ERROR_MAP(ERROR_PREFIX "ProcessGone", ESRCH),
        SD_BUS_ERROR_MAP(ERROR_PREFIX "BackendUnavailable", EIO),
        SD_BUS_ERROR_MAP_END,
};

/* Faults that have a better name than "the kernel did not want to". */
static const struct {
        int error;
        const char *name;
        const char *remedy;
} faults[] = {
        { ENOMEM, SD_BUS_ERROR_NO_MEMORY, "the service is out of memory" },
        { ENOBUFS, SD_BUS_ERROR_LIMITS_EXCEEDED, "too many requests wait: try again later" },
        { E2BIG, SD_BUS_ERROR_LIMITS_EXCEEDED, "the request is too big: split it" },
        { EOPNOTSUPP, SD_BUS_ERROR_NOT_SUPPORTED, "this kernel does not support it" },
        { ETIMEDOUT, SD_BUS_ERROR_TIMEOUT, "no answer in time: try again" },
        { EBADMSG, SD_BUS_ERROR_INVALID_ARGS, "the message cannot be read" },
        { ENXIO, SD_BUS_ERROR_INVALID_ARGS, "the message holds other types than expected" },
        { EINVAL, SD_BUS_ERROR_INVALID_ARGS, "the message cannot be read" },
        { ECANCELED, SD_BUS_ERROR_NO_REPLY, "the service is leaving: call again" },
};

int errors_register(void) {
        return sd_bus_error_add_map(error_map);
}

const char *errors_refusal_name(RefusalCode code) {
        assert(code >= 0 && code < _REFUSAL_CODE_MAX);
        return refusal_names[code];
}

static int set_fault(sd_bus_error *error, int r) {
        for (size_t i = 0; i < ARRAY_LENGTH(faults); i++)
                if (faults[i].error == -r)
                        return sd_bus_error_set(error, faults[i].name, faults[i].remedy);

        return sd_bus_error_setf(
                error, ERROR_PREFIX "BackendUnavailable", "the system refused: %s", strerror(-r));
}

int errors_set(sd_bus_error *error, int r, const Refusal *why) {
        char text[REFUSAL_TEXT_MAX];

        assert(r < 0);

        if (why && why->code != REFUSAL_NONE)
                (void)sd_bus_error_set(error, errors_refusal_name(why->code),
                        text_clean(why->text, text, sizeof(text)));
        else
                (void)set_fault(error, r);
        return r; /* a set error counts, whatever the number */
}
