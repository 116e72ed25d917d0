from evalkit.cli.sweep_state import SweepState, begin, current


def test_the_state_is_there_while_a_command_is_carried_out_and_no_longer():
    assert current() is None
    with begin(state := SweepState(full_error=True)):
        assert current() is state
    assert current() is None


def test_a_command_warns_once_and_the_next_one_again(capsys):
    for _ in range(2):
        state = SweepState()
        for _ in range(2):
            state.warn_once("no server answers")
    assert capsys.readouterr().err == "evalkit: no server answers\n" * 2
