// Integers of 64 bits from their digits, in the place of py/objint_longlong.c's function (--wrap in the board's settings):
// that one of MicroPython 1.25 loses the sign, and does not see what does not fit.

#include "py/objint.h"
#include "py/runtime.h"

mp_obj_t __wrap_mp_obj_new_int_from_str_len(const char **text, size_t length, bool negative, unsigned int base);

static unsigned int digit_of(char c) {
    unsigned int letter = (c | 32) - 'a';
    return c >= '0' && c <= '9' ? (unsigned int)c - '0' : letter < 26 ? letter + 10 : 36;
}

mp_obj_t __wrap_mp_obj_new_int_from_str_len(const char **text, size_t length, bool negative, unsigned int base) {
    const char *at = *text, *end = at + length;
    long long value = 0; // below zero there is room for one more
    for (unsigned int digit; at < end && (*at == '_' || (digit = digit_of(*at)) < base); at++) {
        if (*at != '_' && (__builtin_mul_overflow(value, (long long)base, &value)
                           || __builtin_sub_overflow(value, (long long)digit, &value))) {
            mp_raise_msg(&mp_type_OverflowError, MP_ERROR_TEXT("integer beyond 64 bits"));
        }
    }
    if (!negative && __builtin_sub_overflow(0ll, value, &value)) {
        mp_raise_msg(&mp_type_OverflowError, MP_ERROR_TEXT("integer beyond 64 bits"));
    }
    *text = at;
    return mp_obj_new_int_from_ll(value);
}
