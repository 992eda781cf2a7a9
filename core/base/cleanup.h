/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cleanup at the end of a scope. All keep errno. A destructor named here must take NULL.
 *
 *	DRIP_DEFINE_AUTOPTR(drip_batch, drip_batch_unref)	at file scope
 *	drip_autoptr(drip_batch) batch = NULL;			struct drip_batch *batch
 *	drip_autofree char *text = NULL;
 *	return drip_steal(text);				hands it over
 */
#ifndef DRIPLINE_BASE_CLEANUP_H
#define DRIPLINE_BASE_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void drip_cleanup_free(void *pointer)
{
	int saved = errno;

	free(*(void **)pointer);
	errno = saved;
}

static inline void drip_cleanup_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0) {
		close(*fd);
	}
	errno = saved;
}

static inline void drip_cleanup_file(FILE **file)
{
	int saved = errno;

	if (*file != NULL) {
		fclose(*file);
	}
	errno = saved;
}

#define drip_autofree   __attribute__((cleanup(drip_cleanup_free)))
#define drip_autoclose  __attribute__((cleanup(drip_cleanup_fd)))
#define drip_autofclose __attribute__((cleanup(drip_cleanup_file)))

#define DRIP_DEFINE_AUTOPTR(name, destroy)                                                         \
	__attribute__((unused)) static inline void drip_cleanup_##name(struct name **pointer)      \
	{                                                                                          \
		int saved = errno;                                                                 \
                                                                                                   \
		destroy(*pointer);                                                                 \
		errno = saved;                                                                     \
	}                                                                                          \
	struct name

#define drip_autoptr(name) __attribute__((cleanup(drip_cleanup_##name))) struct name *

/* The pointer, which is NULL afterwards. */
#define drip_steal(pointer)                                                                        \
	({                                                                                         \
		__typeof__(pointer) *drip_steal_ = &(pointer);                                     \
		__typeof__(pointer) drip_stolen_ = *drip_steal_;                                   \
		*drip_steal_ = NULL;                                                               \
		drip_stolen_;                                                                      \
	})

#endif
