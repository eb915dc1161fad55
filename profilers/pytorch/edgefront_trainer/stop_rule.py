"""Early stopping of a training run."""
import math


class StopRule:
    """Ends a run by its results on the validation data, like RunState::Judge in kernels/train."""

    def __init__(self, rule):
        self.rule, self.best, self.stale, self.looks = rule or {}, math.inf, 0, []

    def due(self, step):
        return self.rule.get("every", 0) > 0 and step % self.rule["every"] == 0

    def judge(self, step, loss, accuracy):
        """Returns the reason why the run should end, or None."""
        rule = self.rule
        self.looks.append([step, loss, accuracy])
        if accuracy >= rule.get("accuracy", 2):
            return "converged"
        if 0 < rule.get("hopelessStep", 0) <= step and loss > rule.get("hopelessLoss", math.inf):
            return "hopeless"
        self.stale = 0 if loss < self.best * (1 - rule.get("improvement", 0.001)) else self.stale + 1
        self.best = min(self.best, loss)
        return "plateau" if 0 < rule.get("patience", 0) <= self.stale else None
