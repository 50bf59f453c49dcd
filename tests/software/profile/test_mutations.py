"""Each of these faults is caught by a test of this folder."""

import pytest
from dojang_sim.benches.mutation import mutate

from . import scenes, test_channel, test_node, test_sums

FAULTS = {
    "a write is no word": ("channel", "busy = read | write", "busy = read", test_channel.test_reads_and_writes),
    "nothing is in flight": ("channel", "(asked[:-1] > 0) |", "(asked[:-1] > 9) |",
                             test_channel.test_a_read_from_its_request_to_its_last_word),
    "requests are never on their way": ("channel", "(under_way[:-1] > 0) | moving", "moving",
                                        test_channel.test_a_read_from_its_request_to_its_last_word),
    "nothing is held back": ("channel", 'signals["held"].at(at) != 0', 'signals["held"].at(at) == 99',
                             test_channel.test_prefetch_behind_urgent_reads),
    "the program's reader counts": ("channel", "(reader != PROGRAM) & ", "",
                                    test_channel.test_full_readers_are_told_from_those_without_commands),
    "the kind of the word before": ("channel", "self.begins[busy] + 1", "self.begins[busy] - 40",
                                    test_channel.test_labels_tell_the_kind_of_words),
    "loads are gathers": ("node", "result[waits & ~self._gathers[head]]", "result[waits]", test_node.test_activities),
    "words of the program are always there": ("node", "(word == 0)", "(word == 2)", test_node.test_activities),
    "instructions are over when they are taken": ("node", "self.done[own] = ", "_ = ",
                                                  test_node.test_instructions_have_their_times_and_phases),
    "waits begin when they are resolved": ("node", "np.maximum(self.offered[waiting], self.begins[waits])",
                                           "self.offered[waiting]",
                                           test_node.test_instructions_have_their_times_and_phases),
    "words before the wait are waited for": ("node", "np.minimum(np.maximum(self.offered[waiting], self.begins[waits]),"
                                             " self.taken[waiting])", "self.begins[waits]",
                                             test_node.test_a_wait_that_was_over_before_the_unit_takes_no_time),
    "STREAMs count where they are consumed": ("node", "ops != Op.STREAM", "ops != Op.NOP",
                                              test_node.test_instructions_have_their_times_and_phases),
    "cycles before the first instruction are lost": ("totals", "spans[1] += spans[0]", "pass",
                                                     test_sums.test_phases_and_their_causes),
    "when the last node waits": ("totals", "waited.min()", "arrivals.min()", test_sums.test_gathers_units_and_levels),
    "one pass on the other": ("trace", "start += found.cycles", "start += 0", test_sums.test_timeline),
    "short gaps are drawn": ("trace", "for shortest in (0, SHORTEST)", "for shortest in (0, 0)",
                             test_sums.test_timeline),
    "what does nothing is executed": ("instructions", "op is not Op.NOP and n", "op is not Op.NOP",
                                      test_node.test_instructions_that_do_nothing_are_left_out),
    "a vector less": ("instructions", '(f["contexts"] + 1)', 'f["contexts"]', test_sums.test_phases_and_their_causes),
}
NAMES = {"channel": "ChannelTimeline", "node": "NodeTimeline", "instructions": "decode", "totals": "totals",
         "trace": "trace_events"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught(fault, monkeypatch):
    module, old, new, test = FAULTS[fault]
    test()
    name, broken = NAMES[module], mutate(f"dojang.profile.{module}", old, new)
    for user in (scenes, test_node, test_sums):
        if hasattr(user, name):
            monkeypatch.setattr(user, name, getattr(broken, name))
    monkeypatch.setattr(test_sums, "PASS", test_sums.a_pass())
    with pytest.raises(AssertionError):
        test()
