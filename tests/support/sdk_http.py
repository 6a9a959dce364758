"""The library that the SDK of Anthropic makes its requests with: httpx2, or httpx where the SDK is an older one."""

from importlib import import_module

from anthropic import DefaultHttpxClient

http = import_module(DefaultHttpxClient.__base__.__module__.partition(".")[0])
