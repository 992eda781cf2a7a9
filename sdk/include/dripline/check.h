/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests in plain C, for test programs only: not part of dripline.h. TEST(name) { ... }
 *registers a test, TEST_MAIN() once a binary runs all in the order of the file and prints TAP.
 *Checks are never compiled out, evaluate their arguments once and print both values. CHECK* notes a
 *failure and goes on; REQUIRE* ends the process, for what later lines depend on. TEST_FILTER=part
 *in the environment runs only tests whose name holds `part`. Checks may be used on any thread.
 *
 *	#include <dripline/check.h>
 *	TEST(adds) { CHECK_EQ_INT(add(1, 2), 3); }
 *	TEST_MAIN()
 */
#ifndef DRIPLINE_CHECK_H
#define DRIPLINE_CHECK_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
	const char *name;
	void (*run)(void);
	struct test_case *next;
};

static struct test_case *test_first_, **test_last_ = &test_first_;
static int test_failures_; /* of the test under way; atomic */
static const char *test_skip_;
static int test_argc;
static char **test_argv; /* plugin tests: [1] is the path of the built .so */

static inline void test_add_(struct test_case *t)
{
	*test_last_ = t;
	test_last_ = &t->next;
}

#define TEST(test_name)                                                                            \
	static void test_run_##test_name(void);                                                    \
	__attribute__((constructor)) static void test_register_##test_name(void)                   \
	{                                                                                          \
		static struct test_case t = {#test_name, test_run_##test_name, NULL};              \
		test_add_(&t);                                                                     \
	}                                                                                          \
	static void test_run_##test_name(void)

__attribute__((format(printf, 4, 5))) static inline bool
test_report_(bool ok, const char *file, int line, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	if (ok) {
		return true;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p != '\0'; p++) {
		*p = *p == '\n' ? '|' : *p; /* TAP diagnostics are one line each */
	}
	printf("# %s:%d: %s\n", file, line, text);
	fflush(stdout);
	__atomic_add_fetch(&test_failures_, 1, __ATOMIC_RELAXED);
	return false;
}

static inline bool test_eq_str_(const char *a, const char *b, const char *ta, const char *tb,
				const char *file, int line)
{
	bool ok = a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;

	return test_report_(ok, file, line, "%s == %s: \"%s\" and \"%s\"", ta, tb,
			    a != NULL ? a : "(null)", b != NULL ? b : "(null)");
}

static inline bool test_contains_(const char *a, const char *b, const char *ta, const char *file,
				  int line)
{
	return test_report_(a != NULL && strstr(a, b) != NULL, file, line,
			    "%s holds \"%s\": it is \"%s\"", ta, b, a != NULL ? a : "(null)");
}

static inline bool test_eq_mem_(const void *a, const void *b, size_t size, const char *ta,
				const char *tb, const char *file, int line)
{
	const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;

	for (size_t i = 0; i < size; i++) {
		if (x[i] != y[i]) {
			return test_report_(false, file, line,
					    "%s == %s: byte %zu of %zu is 0x%02x and 0x%02x", ta,
					    tb, i, size, x[i], y[i]);
		}
	}
	return true;
}

#define TEST_INT_(a, op, b)                                                                        \
	__extension__({                                                                            \
		intmax_t test_a_ = (intmax_t)(a), test_b_ = (intmax_t)(b);                         \
		test_report_(test_a_ op test_b_, __FILE__, __LINE__, "%s " #op " %s: %jd and %jd", \
			     #a, #b, test_a_, test_b_);                                            \
	})
#define TEST_UINT_(a, op, b)                                                                       \
	__extension__({                                                                            \
		uintmax_t test_a_ = (uintmax_t)(a), test_b_ = (uintmax_t)(b);                      \
		test_report_(test_a_ op test_b_, __FILE__, __LINE__, "%s " #op " %s: %ju and %ju", \
			     #a, #b, test_a_, test_b_);                                            \
	})
#define TEST_F64_(a, op, b)                                                                        \
	__extension__({                                                                            \
		double test_a_ = (a), test_b_ = (b);                                               \
		test_report_(test_a_ op test_b_, __FILE__, __LINE__,                               \
			     "%s " #op " %s: %.17g and %.17g", #a, #b, test_a_, test_b_);          \
	})
#define TEST_PTR_(a, op, b)                                                                        \
	__extension__({                                                                            \
		const void *test_a_ = (a), *test_b_ = (b);                                         \
		test_report_(test_a_ op test_b_, __FILE__, __LINE__, "%s " #op " %s: %p and %p",   \
			     #a, #b, test_a_, test_b_);                                            \
	})
/* 0, or a negative errno with a drip_error: prints code and message. */
#define TEST_OK_(rc_, err)                                                                         \
	__extension__({                                                                            \
		int test_rc_ = (rc_);                                                              \
		test_report_(test_rc_ >= 0, __FILE__, __LINE__, "%s: %d, %s: %s", #rc_, test_rc_,  \
			     (err)->code, (err)->message);                                         \
	})

#define CHECK(cond)           ((void)test_report_((cond), __FILE__, __LINE__, "%s", #cond))
#define CHECK_EQ_INT(a, b)    ((void)TEST_INT_(a, ==, b))
#define CHECK_NE_INT(a, b)    ((void)TEST_INT_(a, !=, b))
#define CHECK_LT_INT(a, b)    ((void)TEST_INT_(a, <, b))
#define CHECK_LE_INT(a, b)    ((void)TEST_INT_(a, <=, b))
#define CHECK_GT_INT(a, b)    ((void)TEST_INT_(a, >, b))
#define CHECK_GE_INT(a, b)    ((void)TEST_INT_(a, >=, b))
#define CHECK_EQ_UINT(a, b)   ((void)TEST_UINT_(a, ==, b))
#define CHECK_EQ_F64(a, b)    ((void)TEST_F64_(a, ==, b))
#define CHECK_EQ_PTR(a, b)    ((void)TEST_PTR_(a, ==, b))
#define CHECK_NULL(a)         ((void)TEST_PTR_(a, ==, NULL))
#define CHECK_NOT_NULL(a)     ((void)TEST_PTR_(a, !=, NULL))
#define CHECK_EQ_STR(a, b)    ((void)test_eq_str_((a), (b), #a, #b, __FILE__, __LINE__))
#define CHECK_CONTAINS(a, b)  ((void)test_contains_((a), (b), #a, __FILE__, __LINE__))
#define CHECK_EQ_MEM(a, b, n) ((void)test_eq_mem_((a), (b), (n), #a, #b, __FILE__, __LINE__))
#define CHECK_OK(rc, err)     ((void)TEST_OK_(rc, err))
#define REQUIRE(cond)         test_require_(test_report_((cond), __FILE__, __LINE__, "%s", #cond))
#define REQUIRE_EQ_INT(a, b)  test_require_(TEST_INT_(a, ==, b))
#define REQUIRE_EQ_STR(a, b)  test_require_(test_eq_str_((a), (b), #a, #b, __FILE__, __LINE__))
#define REQUIRE_NOT_NULL(a)   test_require_(TEST_PTR_(a, !=, NULL))
#define REQUIRE_OK(rc, err)   test_require_(TEST_OK_(rc, err))
/* Leaves the test; it counts as skipped, with the reason in the output. */
#define SKIP(reason)                                                                               \
	do {                                                                                       \
		test_skip_ = (reason);                                                             \
		return;                                                                            \
	} while (0)

static inline void test_require_(bool ok)
{
	if (!ok) {
		printf("Bail out! a required check failed\n");
		fflush(stdout);
		exit(1);
	}
}

static inline int test_main_(int argc, char **argv)
{
	const char *filter = getenv("TEST_FILTER");
	int count = 0, failed = 0, number = 0;

	test_argc = argc;
	test_argv = argv;
	for (struct test_case *t = test_first_; t != NULL; t = t->next) {
		count += filter == NULL || strstr(t->name, filter) != NULL;
	}
	printf("1..%d\n", count);
	for (struct test_case *t = test_first_; t != NULL; t = t->next) {
		if (filter != NULL && strstr(t->name, filter) == NULL) {
			continue;
		}
		__atomic_store_n(&test_failures_, 0, __ATOMIC_RELAXED);
		test_skip_ = NULL;
		t->run();
		bool bad = __atomic_load_n(&test_failures_, __ATOMIC_RELAXED) != 0;
		failed += bad;
		printf("%s %d - %s%s%s\n", bad ? "not ok" : "ok", ++number, t->name,
		       test_skip_ != NULL ? " # SKIP " : "", test_skip_ != NULL ? test_skip_ : "");
		fflush(stdout);
	}
	printf("# %d passed, %d failed\n", number - failed, failed);
	return failed != 0 || count == 0;
}

#define TEST_MAIN()                                                                                \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return test_main_(argc, argv);                                                     \
	}

#endif
