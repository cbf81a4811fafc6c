"""Nothing goes wrong: what the figures of the other tests stand beside."""


def test_a_quiet_line_delivers_everything(hospital):
    hospital.check(hospital.send())
