"""How fast this machine does what matters, each thing beside its ceiling.

One file per bench; `figures` is what they answer, `table` shows it. All run the real program in
processes of its own, on a school that is founded for it and gone afterwards.
"""
