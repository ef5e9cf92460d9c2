# How everything is compiled: warnings (errors, with gcc and clang alike), reproducible output,
# hardening of what is installed, sanitizers.

add_compile_options(-Wall -Wextra -Wshadow -Werror -Wstrict-prototypes -Wmissing-prototypes
                    -Wno-unused-parameter -Wformat=2 -Wno-format-nonliteral -Wpointer-arith -Wundef -Wvla
                    -fno-omit-frame-pointer -fno-common)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wlogical-op -Wduplicated-cond)
endif()

# The same commit gives the same bytes wherever it is built: no directory of the builder in it.
set(prefix_map -ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)
add_compile_options(${prefix_map})
add_link_options(${prefix_map} -Wl,--build-id=sha1) # the linker compiles, too, with -flto
set(CMAKE_SKIP_RPATH ON)

# Release: what people install.  It reads data of programs that may be hostile, so it is hardened.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g -DNDEBUG")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g") # what developers and tests run keeps its asserts
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
                      -fstack-clash-protection -fcf-protection)
  add_link_options(-pie -Wl,-z,relro,-z,now)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT ipo LANGUAGES C OUTPUT why)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${ipo})
endif()

if(GOSPECT_SANITIZE)
  add_compile_options(-fsanitize=${GOSPECT_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${GOSPECT_SANITIZE})
endif()
if(GOSPECT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
