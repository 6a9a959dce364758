"""Fans for programs that know nothing of them: every ``ThreadPoolExecutor`` that is made from some moment on is one."""
