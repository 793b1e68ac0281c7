/* What Rust's standard library wants of a DLL that Wine before 9.0 does not have: random bytes. */
#include <stddef.h>

__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *bytes, unsigned long length);

__declspec(dllexport) int __stdcall ProcessPrng(void *bytes, size_t length)
{
    return SystemFunction036(bytes, (unsigned long)length);
}
