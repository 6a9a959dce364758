"""What is kept of things in a pickle; imported when something is first pickled.

From the ground up, each file standing on those before it:

- ``unpicklable``: what stands in the place of what could not be kept.
- ``cleaning``: what of an error's arguments and attributes goes along, and what is private.
- ``remembered``: an error by what it says, and how it is made again.
- ``mending``: reads what cannot be read as it should.
- ``packing``: writes whatever it is given, and reads it again.

Below it stand ``texts`` (secrets masked), ``facts`` (status and request id of an error), ``plain`` (plain data) and
``copying`` (how Python takes an object apart); above it ``portable``, the base of what is pickled by it.
"""
