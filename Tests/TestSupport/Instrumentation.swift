import Glibc

/// True where AddressSanitizer or ThreadSanitizer is in the programs under test: they take several times the memory and
/// the time then, and what they take says nothing.
package let isInstrumented = dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil
